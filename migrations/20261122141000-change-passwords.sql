-- One more with every change of the password: what was proven or handed out with an older one is worth nothing any more.
ALTER TABLE users ADD COLUMN password_version integer NOT NULL DEFAULT 1;

-- Where a person is a member now, in an order that all agree on. It puts the setting back.
CREATE FUNCTION organizations_of(person uuid) RETURNS SETOF uuid LANGUAGE plpgsql AS $$
DECLARE
  previous_user_id text := current_setting('gatehouse.user_id', true);
BEGIN
  PERFORM set_config('gatehouse.user_id', person::text, true);
  RETURN QUERY SELECT m.organization_id FROM memberships m WHERE m.user_id = person AND m.removed_at IS NULL ORDER BY m.organization_id;
  PERFORM set_config('gatehouse.user_id', coalesce(previous_user_id, ''), true);
END
$$;

-- Whoever holds the secret may choose a new password for the person; once, and within the hour. Once: choosing one makes
-- password_version another.
CREATE TABLE password_resets (
  -- Where it is recorded: of an administrator who asked for it, their own; else one of the person's, or the platform's.
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users (id),
  -- As it was when the secret was drawn.
  password_version integer NOT NULL,
  secret_hash bytea NOT NULL UNIQUE CHECK (octet_length(secret_hash) = 32),
  pepper_id text NOT NULL,
  -- False: the secret went to the administrator, who must not get into another organization with it.
  by_mail boolean NOT NULL,
  created_at timestamptz(6) NOT NULL,
  -- The administrator; NULL where somebody who knows the address asked.
  created_by uuid,
  expires_at timestamptz(6) NOT NULL,
  UNIQUE (organization_id, id),
  CHECK (by_mail OR created_by IS NOT NULL)
);
CREATE INDEX password_resets_by_user ON password_resets (organization_id, user_id);
CREATE INDEX password_resets_by_expiry ON password_resets (organization_id, expires_at);
ALTER TABLE password_resets ENABLE ROW LEVEL SECURITY;
ALTER TABLE password_resets FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON password_resets USING (organization_id = current_organization_id())
  WITH CHECK (organization_id = current_organization_id());
CREATE POLICY presented_secret ON password_resets FOR SELECT USING (secret_hash = ANY (presented_hashes()));
GRANT SELECT, INSERT, DELETE ON password_resets TO gatehouse_app;
