-- When each task of the installation's upkeep is due next: whichever replica moves that on has the turn.
CREATE TABLE maintenance_turns (
  task text PRIMARY KEY,
  next_at timestamptz(6) NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON maintenance_turns TO gatehouse_app;

-- Upkeep learns which organizations there are, and nothing else of them.
CREATE POLICY upkeep ON organizations FOR SELECT USING (current_setting('gatehouse.upkeep', true) = 'on');

CREATE FUNCTION organizations_to_keep() RETURNS TABLE (id uuid) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  previous_upkeep text := current_setting('gatehouse.upkeep', true);
BEGIN
  PERFORM set_config('gatehouse.upkeep', 'on', true);
  RETURN QUERY SELECT o.id FROM organizations o ORDER BY o.id;
  PERFORM set_config('gatehouse.upkeep', coalesce(previous_upkeep, ''), true);
END
$$;
