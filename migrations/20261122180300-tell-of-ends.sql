-- How far each organization's tokens were looked through for ends that are so many days ahead (0: that have come).
CREATE TABLE expiry_notices (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  days integer NOT NULL CHECK (days >= 0),
  told_until timestamptz(6) NOT NULL,
  -- Of those that end at that very moment, up to this one.
  told_token_id uuid NOT NULL,
  PRIMARY KEY (organization_id, days)
);
ALTER TABLE expiry_notices ENABLE ROW LEVEL SECURITY;
ALTER TABLE expiry_notices FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON expiry_notices USING (organization_id = current_organization_id())
  WITH CHECK (organization_id = current_organization_id());
GRANT SELECT, INSERT, UPDATE, DELETE ON expiry_notices TO gatehouse_app;

CREATE INDEX api_tokens_by_end ON api_tokens (organization_id, expires_at, id) WHERE expires_at IS NOT NULL AND revoked_at IS NULL;

-- Upkeep learns where there is somebody to tell, and nothing else of them.
CREATE POLICY upkeep ON webhooks FOR SELECT USING (current_setting('gatehouse.upkeep', true) = 'on');

CREATE FUNCTION organizations_to_tell(of_events text[]) RETURNS TABLE (id uuid) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  previous_upkeep text := current_setting('gatehouse.upkeep', true);
BEGIN
  PERFORM set_config('gatehouse.upkeep', 'on', true);
  RETURN QUERY SELECT DISTINCT w.organization_id FROM webhooks w WHERE w.disabled_at IS NULL AND w.events && of_events;
  PERFORM set_config('gatehouse.upkeep', coalesce(previous_upkeep, ''), true);
END
$$;
