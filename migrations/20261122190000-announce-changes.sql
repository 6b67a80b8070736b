-- What was changed that a process may keep an answer about: the id of a token, person, machine identity, project or
-- organization; NULL stands for all there is. Written by triggers in the transaction of the change, so that no code can
-- forget it, and read by every process. It holds ids and nothing of what they have.
CREATE TABLE invalidations (
  -- Transactions become visible in another order than they are numbered in: readers compare snapshots, not numbers.
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  number bigint GENERATED ALWAYS AS IDENTITY,
  subject uuid,
  written_at timestamptz(6) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (xid, number)
);
GRANT SELECT, INSERT, DELETE ON invalidations TO gatehouse_app;

-- Says in the transaction of a change that whatever is kept about the subject is out of date. The first time it also
-- wakes all processes as soon as the transaction is committed, and tells the connection that makes the change, which
-- has its own process forget before the change is acknowledged. More than a thousand subjects of one organization
-- become that organization.
CREATE FUNCTION invalidate(subject uuid, organization uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  written integer := coalesce(nullif(current_setting('gatehouse.invalidated', true), ''), '0')::integer;
BEGIN
  IF written = 0 THEN
    PERFORM pg_notify('gatehouse_invalidations', '');
    RAISE INFO 'gatehouse.invalidated';
  END IF;
  IF written < 1000 OR organization IS NULL THEN
    INSERT INTO invalidations (subject) VALUES (subject);
    PERFORM set_config('gatehouse.invalidated', (written + 1)::text, true);
  ELSIF current_setting('gatehouse.invalidated_organization', true) IS DISTINCT FROM organization::text THEN
    INSERT INTO invalidations (subject) VALUES (organization);
    PERFORM set_config('gatehouse.invalidated_organization', organization::text, true);
  END IF;
END
$$;

-- For a trigger; its argument is the column that names the subject, and without one the subject is all there is.
CREATE FUNCTION invalidate_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  changed jsonb := CASE TG_OP WHEN 'INSERT' THEN to_jsonb(NEW) ELSE to_jsonb(OLD) END;
BEGIN
  PERFORM invalidate((changed ->> TG_ARGV[0])::uuid, (changed ->> 'organization_id')::uuid);
  RETURN NULL;
END
$$;

-- The same for tokens, of which a great many may change in one transaction.
CREATE FUNCTION invalidate_token() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM invalidate(OLD.id, OLD.organization_id);
  RETURN NULL;
END
$$;

-- The organization and those within it: they stop with it, and what it lets tokens be binds theirs.
CREATE FUNCTION invalidate_within(organization uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  previous_organization_id text := current_setting('gatehouse.organization_id', true);
BEGIN
  PERFORM set_config('gatehouse.organization_id', organization::text, true);
  PERFORM invalidate(o.id, NULL) FROM organizations o WHERE o.parent_id = organization;
  PERFORM set_config('gatehouse.organization_id', coalesce(previous_organization_id, ''), true);
  PERFORM invalidate(organization, NULL);
END
$$;

CREATE FUNCTION invalidate_organization() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM invalidate_within(OLD.id);
  RETURN NULL;
END
$$;

-- The platform's policy binds everybody.
CREATE FUNCTION invalidate_policy() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  changed policies := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
BEGIN
  IF changed.platform THEN
    PERFORM invalidate(NULL, NULL);
  ELSE
    PERFORM invalidate_within(changed.organization_id);
  END IF;
  RETURN NULL;
END
$$;

-- Whatever `token_facts` reads, where an existing token's facts can change by it. Not the traces of use: they are
-- written all the time, and nothing is decided by a kept copy of them. A new token, and what is inserted with it, is
-- not announced: nobody can have asked about a secret that was not drawn yet.
CREATE TRIGGER invalidate AFTER UPDATE OF organization_id, short_id, kind, name, description, hint, user_id, project_id,
    identity_id, parent_id, client_secret_id, sub_organization_id, permissions, role_id, all_projects, environment,
    allowed_addresses, expires_at, uses_limit, renewed_at, created_at, created_by, updated_at, revoked_at, revoked_by, revocation_reason, reuse_detected_at,
    attributes
  ON api_tokens FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION invalidate_token();
CREATE TRIGGER invalidate_gone AFTER DELETE ON api_tokens FOR EACH ROW EXECUTE FUNCTION invalidate_token();
-- A hash made anew under another pepper is of the same secret.
CREATE TRIGGER invalidate AFTER UPDATE OF token_id, expires_at, hint, pending, replaced_at ON token_secrets FOR EACH ROW EXECUTE FUNCTION invalidate_row('token_id');
CREATE TRIGGER invalidate_gone AFTER DELETE ON token_secrets FOR EACH ROW EXECUTE FUNCTION invalidate_row('token_id');
CREATE TRIGGER invalidate AFTER UPDATE OR DELETE ON token_projects FOR EACH ROW EXECUTE FUNCTION invalidate_row('token_id');
CREATE TRIGGER invalidate AFTER UPDATE OF key, deleted_at OR DELETE ON projects FOR EACH ROW EXECUTE FUNCTION invalidate_row('id');
CREATE TRIGGER invalidate AFTER UPDATE OF deleted_at OR DELETE ON environments FOR EACH ROW EXECUTE FUNCTION invalidate_row('project_id');
CREATE TRIGGER invalidate AFTER UPDATE OF key, permissions, deleted_at OR DELETE ON roles FOR EACH ROW EXECUTE FUNCTION invalidate_row('organization_id');
CREATE TRIGGER invalidate AFTER UPDATE OF user_id, role_id, disabled_at, removed_at OR DELETE ON memberships FOR EACH ROW EXECUTE FUNCTION invalidate_row('user_id');
CREATE TRIGGER invalidate AFTER UPDATE OF email, name, disabled_at OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION invalidate_row('id');
CREATE TRIGGER invalidate AFTER UPDATE OF role_id, deleted_at OR DELETE ON machine_identities FOR EACH ROW EXECUTE FUNCTION invalidate_row('id');
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OF identity_id, trusted_addresses OR DELETE ON token_auth_settings FOR EACH ROW EXECUTE FUNCTION invalidate_row('identity_id');
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OF identity_id, trusted_addresses OR DELETE ON universal_auth_settings FOR EACH ROW EXECUTE FUNCTION invalidate_row('identity_id');
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON identity_admissions FOR EACH ROW EXECUTE FUNCTION invalidate_row('identity_id');
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON registered_permissions FOR EACH ROW EXECUTE FUNCTION invalidate_row();
CREATE TRIGGER invalidate AFTER UPDATE OF parent_id, slug, name, platform, suspended_at, deleted_at OR DELETE ON organizations
  FOR EACH ROW EXECUTE FUNCTION invalidate_organization();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON policies FOR EACH ROW EXECUTE FUNCTION invalidate_policy();
