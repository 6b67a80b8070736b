-- A key is published before it signs, so that whoever verifies knows it in time; and after, until all it signed is over.
ALTER TABLE signing_keys ADD COLUMN activates_at timestamptz(6);
UPDATE signing_keys SET activates_at = created_at;
ALTER TABLE signing_keys ALTER COLUMN activates_at SET NOT NULL;
COMMENT ON COLUMN signing_keys.retired_at IS 'From then on nothing it signed counts; may lie ahead.';

-- Public keys that machine identities prove themselves with (RFC 7523), beside their client secrets.
CREATE TABLE client_keys (
  organization_id uuid NOT NULL,
  id uuid PRIMARY KEY,
  settings_id uuid NOT NULL,
  name text NOT NULL,
  -- RFC 7638, SHA-256: the same key is registered once.
  thumbprint text NOT NULL,
  algorithm text NOT NULL,
  public_jwk jsonb NOT NULL,
  -- NULL: as long as it is not removed.
  expires_at timestamptz(6),
  created_at timestamptz(6) NOT NULL,
  last_used_at timestamptz(6),
  UNIQUE (organization_id, id),
  UNIQUE (settings_id, thumbprint),
  FOREIGN KEY (organization_id, settings_id) REFERENCES universal_auth_settings (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX client_keys_by_settings ON client_keys (organization_id, settings_id, created_at);

-- Assertions that were presented, until they expire: each is good once.
CREATE TABLE client_assertions (
  organization_id uuid NOT NULL,
  settings_id uuid NOT NULL,
  -- SHA-256 of the assertion's `jti`, which may be of any length.
  jti_hash bytea NOT NULL CHECK (octet_length(jti_hash) = 32),
  expires_at timestamptz(6) NOT NULL,
  PRIMARY KEY (settings_id, jti_hash),
  FOREIGN KEY (organization_id, settings_id) REFERENCES universal_auth_settings (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX client_assertions_by_expiry ON client_assertions (organization_id, settings_id, expires_at);

DO $$
DECLARE
  tenant_table text;
BEGIN
  FOREACH tenant_table IN ARRAY ARRAY['client_keys', 'client_assertions']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('CREATE POLICY own_organization ON %I USING (organization_id = current_organization_id())
      WITH CHECK (organization_id = current_organization_id())', tenant_table);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO gatehouse_app', tenant_table);
  END LOOP;
END
$$;

-- The operator's own organization, where what the service does for the whole installation is recorded; NULL before there is one.
CREATE FUNCTION platform_organization() RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  previous_seeking_platform text := current_setting('gatehouse.seeking_platform', true);
  organization uuid;
BEGIN
  PERFORM set_config('gatehouse.seeking_platform', 'on', true);
  SELECT id INTO organization FROM organizations WHERE platform;
  PERFORM set_config('gatehouse.seeking_platform', coalesce(previous_seeking_platform, ''), true);
  RETURN organization;
END
$$;
