-- The installation's own settings of the transaction: the platform's organization acts for all others only where the
-- service says so, and only while the transaction is bound to that very organization.
CREATE FUNCTION platform_acts() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
  RETURN coalesce(nullif(current_setting('gatehouse.platform', true), '')::uuid = current_organization_id(), false);

ALTER TABLE organizations
  -- It stays known, with its slug; nobody and nothing acts in it any more.
  ADD COLUMN deleted_at timestamptz(6),
  ADD CONSTRAINT organizations_platform_runs CHECK (NOT platform OR (suspended_at IS NULL AND deleted_at IS NULL)),
  DROP CONSTRAINT organizations_slug_key;
-- Whose slugs a tenant may take is its own affair: a refusal tells of its own sub-organizations only.
CREATE UNIQUE INDEX organizations_slug ON organizations (slug) WHERE parent_id IS NULL;
CREATE UNIQUE INDEX organizations_slug_in_parent ON organizations (parent_id, slug) WHERE parent_id IS NOT NULL;
CREATE INDEX organizations_by_creation ON organizations (created_at, id);
CREATE POLICY platform ON organizations FOR SELECT USING (platform_acts());
CREATE POLICY platform_changes ON organizations FOR UPDATE USING (platform_acts()) WITH CHECK (platform_acts());

-- What the operator's own product lets people do, in every organization alike.
CREATE TABLE registered_permissions (
  key text PRIMARY KEY,
  description text NOT NULL,
  created_at timestamptz(6) NOT NULL,
  created_by uuid NOT NULL
);
ALTER TABLE registered_permissions ENABLE ROW LEVEL SECURITY;
ALTER TABLE registered_permissions FORCE ROW LEVEL SECURITY;
CREATE POLICY known_to_all ON registered_permissions FOR SELECT USING (true);
CREATE POLICY platform ON registered_permissions USING (platform_acts()) WITH CHECK (platform_acts());
GRANT SELECT, INSERT, DELETE ON registered_permissions TO gatehouse_app;

ALTER TABLE roles
  -- Tokens that are gone still name it; it allows nothing any more, and its key is free.
  ADD COLUMN deleted_at timestamptz(6),
  -- The name as it is compared.
  ADD COLUMN name_folded text,
  DROP CONSTRAINT roles_organization_id_key_key;
-- The owner is bound by row-level security too, as long as it is forced.
ALTER TABLE roles NO FORCE ROW LEVEL SECURITY;
UPDATE roles SET name_folded = lower(normalize(name, NFKC));
ALTER TABLE roles FORCE ROW LEVEL SECURITY;
ALTER TABLE roles ALTER COLUMN name_folded SET NOT NULL;
CREATE UNIQUE INDEX roles_key ON roles (organization_id, key) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX roles_name ON roles (organization_id, name_folded) WHERE deleted_at IS NULL;

-- Tokens and sessions of a member who was removed still name the membership; it lets nobody in.
ALTER TABLE memberships ADD COLUMN removed_at timestamptz(6);
CREATE INDEX memberships_by_creation ON memberships (organization_id, created_at, id);
CREATE INDEX memberships_by_role ON memberships (organization_id, role_id);
DROP POLICY own_membership ON memberships;
DROP POLICY own_membership ON organizations;
CREATE POLICY own_membership ON memberships FOR SELECT USING (user_id = current_user_id() AND removed_at IS NULL);
CREATE POLICY own_membership ON organizations FOR SELECT USING (EXISTS (
  SELECT FROM memberships m WHERE m.organization_id = organizations.id AND m.user_id = current_user_id() AND m.removed_at IS NULL));

-- Whoever holds the secret may become a member; once, and not for ever.
CREATE TABLE invitations (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid PRIMARY KEY,
  email text NOT NULL,
  email_canonical text NOT NULL,
  role_id uuid NOT NULL,
  secret_hash bytea NOT NULL UNIQUE CHECK (octet_length(secret_hash) = 32),
  pepper_id text NOT NULL,
  created_at timestamptz(6) NOT NULL,
  -- The person who invites: nobody comes in by what that person does not hold at that moment.
  created_by uuid NOT NULL,
  expires_at timestamptz(6) NOT NULL,
  accepted_at timestamptz(6),
  accepted_by uuid,
  revoked_at timestamptz(6),
  -- At accepting it: guesses at the password of the person it is for are few.
  attempts integer NOT NULL DEFAULT 0,
  UNIQUE (organization_id, id),
  CHECK ((accepted_at IS NULL) = (accepted_by IS NULL)),
  CHECK (num_nonnulls(accepted_at, revoked_at) <= 1),
  FOREIGN KEY (organization_id, role_id) REFERENCES roles (organization_id, id),
  FOREIGN KEY (organization_id, created_by) REFERENCES memberships (organization_id, user_id)
);
CREATE UNIQUE INDEX invitations_one_open ON invitations (organization_id, email_canonical)
  WHERE accepted_at IS NULL AND revoked_at IS NULL;
CREATE INDEX invitations_by_creation ON invitations (organization_id, created_at, id);
ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE invitations FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON invitations USING (organization_id = current_organization_id())
  WITH CHECK (organization_id = current_organization_id());
CREATE POLICY presented_secret ON invitations FOR SELECT USING (secret_hash = ANY (presented_hashes()));
GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO gatehouse_app;

-- Since when nobody acts in the organization, be it by its own suspension or end or by its parent's; NULL while it runs.
CREATE FUNCTION organization_stopped_at(organization uuid) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
  previous_organization_id text := current_setting('gatehouse.organization_id', true);
  stopped_at timestamptz;
  parent uuid;
BEGIN
  PERFORM set_config('gatehouse.organization_id', organization::text, true);
  SELECT coalesce(o.deleted_at, o.suspended_at), o.parent_id INTO stopped_at, parent FROM organizations o WHERE o.id = organization;
  IF stopped_at IS NULL AND parent IS NOT NULL THEN
    PERFORM set_config('gatehouse.organization_id', parent::text, true);
    SELECT coalesce(o.deleted_at, o.suspended_at) INTO stopped_at FROM organizations o WHERE o.id = parent;
  END IF;
  PERFORM set_config('gatehouse.organization_id', coalesce(previous_organization_id, ''), true);
  RETURN stopped_at;
END
$$;

-- By how many a role of the organization that asks is held now, and by whom it is yet to be held.
CREATE FUNCTION role_holders(role uuid, moment timestamptz) RETURNS TABLE (
  members bigint, machine_identities bigint, tokens bigint, invitations bigint
) LANGUAGE sql STABLE AS $$
  SELECT
    (SELECT count(*) FROM memberships m WHERE m.organization_id = current_organization_id() AND m.role_id = role AND m.removed_at IS NULL),
    (SELECT count(*) FROM machine_identities i WHERE i.organization_id = current_organization_id() AND i.role_id = role AND i.deleted_at IS NULL)
      + (SELECT count(*) FROM identity_admissions a WHERE a.organization_id = current_organization_id() AND a.role_id = role),
    (SELECT count(*) FROM api_tokens t WHERE t.organization_id = current_organization_id() AND t.role_id = role
      AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > moment)),
    (SELECT count(*) FROM invitations v WHERE v.organization_id = current_organization_id() AND v.role_id = role
      AND v.accepted_at IS NULL AND v.revoked_at IS NULL AND v.expires_at > moment)
$$;

-- As before, and aware of what is above: roles and members that are gone, organizations that are stopped, and the
-- permissions that are registered at this moment.
DROP FUNCTION admission_facts(uuid, uuid);
CREATE FUNCTION admission_facts(sub_organization uuid, identity uuid) RETURNS TABLE (
  organization_id uuid, organization_slug text, organization_name text, organization_suspended_at timestamptz,
  admitted boolean, role_key text, role_permissions text[], registered_permissions text[]
) LANGUAGE plpgsql STRICT AS $$
#variable_conflict use_column
DECLARE
  previous_organization_id text := current_setting('gatehouse.organization_id', true);
BEGIN
  PERFORM set_config('gatehouse.organization_id', sub_organization::text, true);
  RETURN QUERY
  SELECT o.id, o.slug, o.name, coalesce(o.deleted_at, o.suspended_at), a.identity_id IS NOT NULL, r.key, r.permissions,
    (SELECT coalesce(array_agg(rp.key), '{}') FROM registered_permissions rp)
  FROM organizations o
  LEFT JOIN identity_admissions a ON a.organization_id = o.id AND a.identity_id = identity
  LEFT JOIN roles r ON r.organization_id = a.organization_id AND r.id = a.role_id AND r.deleted_at IS NULL
  WHERE o.id = sub_organization;
  PERFORM set_config('gatehouse.organization_id', coalesce(previous_organization_id, ''), true);
END
$$;

DROP FUNCTION token_facts(bytea[]);
CREATE FUNCTION token_facts(hashes bytea[]) RETURNS TABLE (
  organization_id uuid, organization_slug text, organization_name text, organization_platform boolean,
  organization_suspended_at timestamptz, kept_in uuid,
  id uuid, short_id text, kind text, name text, description text, hint text,
  user_id uuid, project_id uuid, identity_id uuid, parent_id uuid,
  permissions text[], token_role_key text, token_role_permissions text[],
  owner_role_key text, owner_role_permissions text[], owner_disabled_at timestamptz, owner_exists boolean,
  user_email text, user_name text, registered_permissions text[],
  all_projects boolean, project_ids uuid[], project_keys text[], environment text, environment_exists boolean,
  allowed_addresses text[], owner_allowed_addresses text[],
  expires_at timestamptz, uses_limit bigint, use_count bigint,
  created_at timestamptz, created_by uuid, updated_at timestamptz,
  revoked_at timestamptz, revoked_by uuid, revocation_reason text, attributes jsonb,
  pepper_id text, secret_hash bytea, secret_expires_at timestamptz
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  previous_organization_id text := current_setting('gatehouse.organization_id', true);
  previous_presented_hashes text := current_setting('gatehouse.presented_hashes', true);
  found_secret record;
BEGIN
  PERFORM set_config('gatehouse.presented_hashes', hashes::text, true);
  SELECT s.* INTO found_secret FROM token_secrets s WHERE s.secret_hash = ANY (hashes) LIMIT 1;
  IF NOT FOUND THEN
    PERFORM set_config('gatehouse.organization_id', coalesce(previous_organization_id, ''), true);
    PERFORM set_config('gatehouse.presented_hashes', coalesce(previous_presented_hashes, ''), true);
    RETURN;
  END IF;
  PERFORM set_config('gatehouse.organization_id', found_secret.organization_id::text, true);
  RETURN QUERY
  SELECT coalesce(a.organization_id, o.id), coalesce(a.organization_slug, o.slug), coalesce(a.organization_name, o.name),
    o.platform AND t.sub_organization_id IS NULL, coalesce(o.deleted_at, o.suspended_at, a.organization_suspended_at,
      CASE WHEN o.parent_id IS NOT NULL THEN organization_stopped_at(o.parent_id) END), o.id,
    t.id, t.short_id, t.kind, t.name, t.description, t.hint,
    t.user_id, t.project_id, t.identity_id, t.parent_id,
    t.permissions, tr.key, CASE WHEN tr.deleted_at IS NULL THEN tr.permissions ELSE '{}' END,
    CASE WHEN t.sub_organization_id IS NULL THEN owner_role.key ELSE a.role_key END,
    CASE WHEN t.sub_organization_id IS NULL THEN owner_role.permissions ELSE a.role_permissions END,
    coalesce(m.disabled_at, u.disabled_at),
    CASE WHEN t.user_id IS NOT NULL THEN m.id IS NOT NULL AND m.removed_at IS NULL
         WHEN t.project_id IS NOT NULL THEN p.id IS NOT NULL AND p.deleted_at IS NULL
         WHEN t.identity_id IS NOT NULL THEN i.id IS NOT NULL AND i.deleted_at IS NULL
           AND CASE WHEN t.client_secret_id IS NULL THEN tas.id ELSE uas.id END IS NOT NULL
           AND (t.sub_organization_id IS NULL OR coalesce(a.admitted, false))
         ELSE true END,
    u.email, u.name, (SELECT coalesce(array_agg(rp.key), '{}') FROM registered_permissions rp),
    t.all_projects, links.project_ids, links.project_keys, t.environment,
    t.environment IS NULL OR t.all_projects OR links.all_have_environment,
    t.allowed_addresses, CASE WHEN t.client_secret_id IS NULL THEN tas.trusted_addresses ELSE uas.trusted_addresses END,
    t.expires_at, t.uses_limit, t.use_count,
    t.created_at, t.created_by, t.updated_at,
    t.revoked_at, t.revoked_by, t.revocation_reason, t.attributes,
    found_secret.pepper_id, found_secret.secret_hash, found_secret.expires_at
  FROM api_tokens t
  JOIN organizations o ON o.id = t.organization_id
  LEFT JOIN roles tr ON tr.organization_id = t.organization_id AND tr.id = t.role_id
  LEFT JOIN memberships m ON m.organization_id = t.organization_id AND m.user_id = t.user_id
  LEFT JOIN users u ON u.id = m.user_id
  LEFT JOIN projects p ON p.organization_id = t.organization_id AND p.id = t.project_id
  LEFT JOIN machine_identities i ON i.organization_id = t.organization_id AND i.id = t.identity_id
  LEFT JOIN token_auth_settings tas ON tas.organization_id = t.organization_id AND tas.identity_id = t.identity_id
  LEFT JOIN universal_auth_settings uas ON uas.organization_id = t.organization_id AND uas.identity_id = t.identity_id
  LEFT JOIN LATERAL admission_facts(t.sub_organization_id, t.identity_id) a ON true
  LEFT JOIN roles owner_role ON owner_role.organization_id = t.organization_id
    AND owner_role.id = coalesce(m.role_id, i.role_id) AND owner_role.deleted_at IS NULL
  CROSS JOIN LATERAL (
    SELECT array_agg(lp.id ORDER BY lp.key) AS project_ids, array_agg(lp.key ORDER BY lp.key) AS project_keys,
      coalesce(bool_and(tp.environment_id IS NOT NULL), false) AS all_have_environment
    FROM token_projects tp
    JOIN projects lp ON lp.organization_id = tp.organization_id AND lp.id = tp.project_id AND lp.deleted_at IS NULL
    LEFT JOIN environments le ON le.organization_id = tp.organization_id AND le.id = tp.environment_id
    WHERE tp.organization_id = t.organization_id AND tp.token_id = t.id AND le.deleted_at IS NULL
  ) links
  WHERE t.organization_id = found_secret.organization_id AND t.id = found_secret.token_id;
  PERFORM set_config('gatehouse.organization_id', coalesce(previous_organization_id, ''), true);
  PERFORM set_config('gatehouse.presented_hashes', coalesce(previous_presented_hashes, ''), true);
END
$$;

DROP FUNCTION session_facts(uuid, uuid);
CREATE FUNCTION session_facts(organization uuid, session uuid) RETURNS TABLE (
  id uuid, expires_at timestamptz, ended_at timestamptz, created_at timestamptz,
  user_id uuid, user_email text, user_name text, user_disabled_at timestamptz,
  role_key text, role_permissions text[], registered_permissions text[],
  organization_id uuid, organization_slug text, organization_name text, organization_platform boolean,
  organization_suspended_at timestamptz
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  previous_organization_id text := current_setting('gatehouse.organization_id', true);
BEGIN
  PERFORM set_config('gatehouse.organization_id', organization::text, true);
  RETURN QUERY
  SELECT s.id, s.expires_at, s.ended_at, s.created_at,
    u.id, u.email, u.name, coalesce(m.disabled_at, u.disabled_at),
    r.key, r.permissions, (SELECT coalesce(array_agg(rp.key), '{}') FROM registered_permissions rp),
    o.id, o.slug, o.name, o.platform,
    coalesce(o.deleted_at, o.suspended_at, CASE WHEN o.parent_id IS NOT NULL THEN organization_stopped_at(o.parent_id) END)
  FROM sessions s
  JOIN organizations o ON o.id = s.organization_id
  JOIN memberships m ON m.organization_id = s.organization_id AND m.user_id = s.user_id AND m.removed_at IS NULL
  JOIN users u ON u.id = s.user_id
  JOIN roles r ON r.organization_id = s.organization_id AND r.id = m.role_id AND r.deleted_at IS NULL
  WHERE s.organization_id = organization AND s.id = session;
  PERFORM set_config('gatehouse.organization_id', coalesce(previous_organization_id, ''), true);
END
$$;
