-- Tokens whose secrets have leaked, until their owners were written to: noted in the transaction that tells of it.
CREATE TABLE exposures_to_mail (
  organization_id uuid NOT NULL,
  token_id uuid NOT NULL,
  PRIMARY KEY (organization_id, token_id),
  FOREIGN KEY (organization_id, token_id) REFERENCES api_tokens (organization_id, id) ON DELETE CASCADE
);
ALTER TABLE exposures_to_mail ENABLE ROW LEVEL SECURITY;
ALTER TABLE exposures_to_mail FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON exposures_to_mail USING (organization_id = current_organization_id())
  WITH CHECK (organization_id = current_organization_id());
-- Upkeep learns where there is somebody to write to.
CREATE POLICY upkeep ON exposures_to_mail FOR SELECT USING (current_setting('gatehouse.upkeep', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON exposures_to_mail TO gatehouse_app;

CREATE FUNCTION organizations_to_mail() RETURNS TABLE (id uuid) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  previous_upkeep text := current_setting('gatehouse.upkeep', true);
BEGIN
  PERFORM set_config('gatehouse.upkeep', 'on', true);
  RETURN QUERY SELECT DISTINCT e.organization_id FROM exposures_to_mail e;
  PERFORM set_config('gatehouse.upkeep', coalesce(previous_upkeep, ''), true);
END
$$;
