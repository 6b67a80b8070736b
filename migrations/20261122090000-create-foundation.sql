-- The role the service works as: it owns nothing, so row-level security binds it, and it cannot TRUNCATE.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'gatehouse_app') THEN
    BEGIN
      CREATE ROLE gatehouse_app NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL; -- another database of this cluster was first
    END;
  END IF;
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    BEGIN
      EXECUTE format('GRANT gatehouse_app TO %I', current_user);
    EXCEPTION WHEN insufficient_privilege THEN
      NULL; -- an administrator made the role; whether it was granted shows when the service connects
    END;
  END IF;
END
$$;

GRANT USAGE ON SCHEMA public TO gatehouse_app;

-- Who is asking, set per transaction. Absent reads as NULL, and NULL equals nothing: no rows.
CREATE FUNCTION current_organization_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
  RETURN nullif(current_setting('gatehouse.organization_id', true), '')::uuid;
CREATE FUNCTION current_user_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
  RETURN nullif(current_setting('gatehouse.user_id', true), '')::uuid;
-- Hashes of the secret that was presented: whoever holds a secret may find the row it belongs to.
CREATE FUNCTION presented_hashes() RETURNS bytea[] LANGUAGE sql STABLE PARALLEL SAFE
  RETURN nullif(current_setting('gatehouse.presented_hashes', true), '')::bytea[];
-- Id of the client that logs in: public, and good for nothing but to find whose it is.
CREATE FUNCTION presented_client_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
  RETURN nullif(current_setting('gatehouse.presented_client_id', true), '')::uuid;

CREATE TABLE organizations (
  id uuid PRIMARY KEY,
  -- Of a sub-organization, the organization it belongs to; a tenant of its own all the same.
  parent_id uuid REFERENCES organizations (id),
  slug text NOT NULL UNIQUE,
  name text NOT NULL,
  platform boolean NOT NULL DEFAULT false,
  suspended_at timestamptz(6),
  created_at timestamptz(6) NOT NULL,
  updated_at timestamptz(6) NOT NULL,
  UNIQUE (id, parent_id),
  CHECK (parent_id IS NULL OR (parent_id <> id AND NOT platform))
);
CREATE INDEX organizations_by_parent ON organizations (parent_id) WHERE parent_id IS NOT NULL;
CREATE UNIQUE INDEX organizations_one_platform ON organizations (platform) WHERE platform;

-- People are known to the whole installation; what they may do in an organization is their membership.
CREATE TABLE users (
  id uuid PRIMARY KEY,
  email text NOT NULL,
  email_canonical text NOT NULL UNIQUE,
  name text NOT NULL,
  password_hash text NOT NULL,
  disabled_at timestamptz(6),
  created_at timestamptz(6) NOT NULL,
  updated_at timestamptz(6) NOT NULL
);

CREATE TABLE roles (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid PRIMARY KEY,
  key text NOT NULL,
  name text NOT NULL,
  built_in boolean NOT NULL,
  -- Empty for built-in roles, whose permissions are defined by the service.
  permissions text[] NOT NULL,
  created_at timestamptz(6) NOT NULL,
  updated_at timestamptz(6) NOT NULL,
  UNIQUE (organization_id, id),
  UNIQUE (organization_id, key)
);

CREATE TABLE memberships (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users (id),
  role_id uuid NOT NULL,
  disabled_at timestamptz(6),
  created_at timestamptz(6) NOT NULL,
  updated_at timestamptz(6) NOT NULL,
  UNIQUE (organization_id, id),
  UNIQUE (organization_id, user_id),
  FOREIGN KEY (organization_id, role_id) REFERENCES roles (organization_id, id)
);
CREATE INDEX memberships_by_user ON memberships (user_id);

CREATE TABLE projects (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid PRIMARY KEY,
  key text NOT NULL,
  name text NOT NULL,
  created_at timestamptz(6) NOT NULL,
  updated_at timestamptz(6) NOT NULL,
  -- Its tokens stay visible, so it stays known; it is found nowhere else, and its key is free.
  deleted_at timestamptz(6),
  UNIQUE (organization_id, id)
);
CREATE UNIQUE INDEX projects_key ON projects (organization_id, key) WHERE deleted_at IS NULL;

CREATE TABLE environments (
  organization_id uuid NOT NULL,
  id uuid PRIMARY KEY,
  project_id uuid NOT NULL,
  key text NOT NULL,
  name text NOT NULL,
  created_at timestamptz(6) NOT NULL,
  updated_at timestamptz(6) NOT NULL,
  -- At the latest when its project is.
  deleted_at timestamptz(6),
  UNIQUE (organization_id, id),
  UNIQUE (organization_id, project_id, id),
  FOREIGN KEY (organization_id, project_id) REFERENCES projects (organization_id, id)
);
CREATE UNIQUE INDEX environments_key ON environments (organization_id, project_id, key) WHERE deleted_at IS NULL;

CREATE TABLE machine_identities (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid PRIMARY KEY,
  name text NOT NULL,
  -- NULL: no access.
  role_id uuid,
  delete_protected boolean NOT NULL DEFAULT false,
  last_login_at timestamptz(6),
  last_login_method text CHECK (last_login_method IN ('token-auth', 'universal-auth')),
  created_at timestamptz(6) NOT NULL,
  updated_at timestamptz(6) NOT NULL,
  -- Its tokens stay visible, so it stays known; it is found nowhere else.
  deleted_at timestamptz(6),
  UNIQUE (organization_id, id),
  FOREIGN KEY (organization_id, role_id) REFERENCES roles (organization_id, id)
);

CREATE TABLE machine_identity_metadata (
  organization_id uuid NOT NULL,
  id uuid PRIMARY KEY,
  identity_id uuid NOT NULL,
  position integer NOT NULL,
  key text NOT NULL,
  value text NOT NULL,
  UNIQUE (organization_id, id),
  UNIQUE (organization_id, identity_id, position),
  FOREIGN KEY (organization_id, identity_id) REFERENCES machine_identities (organization_id, id) ON DELETE CASCADE
);

-- How tokens of a machine identity live; absent: the identity cannot hold any.
CREATE TABLE token_auth_settings (
  organization_id uuid NOT NULL,
  id uuid PRIMARY KEY,
  identity_id uuid NOT NULL,
  ttl_seconds bigint NOT NULL CHECK (ttl_seconds >= 0),
  max_ttl_seconds bigint NOT NULL CHECK (max_ttl_seconds >= 0),
  uses_limit bigint NOT NULL CHECK (uses_limit >= 0),
  -- Addresses and CIDR ranges as they were given, in their order; judged at every use.
  trusted_addresses text[] NOT NULL,
  created_at timestamptz(6) NOT NULL,
  updated_at timestamptz(6) NOT NULL,
  UNIQUE (organization_id, id),
  UNIQUE (organization_id, identity_id),
  FOREIGN KEY (organization_id, identity_id) REFERENCES machine_identities (organization_id, id) ON DELETE CASCADE
);

-- How a machine identity logs in with a client id and a client secret, and how the tokens live that it is given then.
CREATE TABLE universal_auth_settings (
  organization_id uuid NOT NULL,
  id uuid PRIMARY KEY,
  identity_id uuid NOT NULL,
  client_id uuid NOT NULL UNIQUE,
  ttl_seconds bigint NOT NULL CHECK (ttl_seconds >= 0),
  max_ttl_seconds bigint NOT NULL CHECK (max_ttl_seconds >= 0),
  -- Above 0: tokens live so long and may be renewed for ever, whatever the two before say.
  period_seconds bigint NOT NULL CHECK (period_seconds >= 0),
  uses_limit bigint NOT NULL CHECK (uses_limit >= 0),
  trusted_addresses text[] NOT NULL,
  client_secret_trusted_addresses text[] NOT NULL,
  lockout_enabled boolean NOT NULL,
  lockout_threshold integer NOT NULL CHECK (lockout_threshold > 0),
  lockout_duration_seconds integer NOT NULL CHECK (lockout_duration_seconds > 0),
  lockout_counter_reset_seconds integer NOT NULL CHECK (lockout_counter_reset_seconds > 0),
  created_at timestamptz(6) NOT NULL,
  updated_at timestamptz(6) NOT NULL,
  UNIQUE (organization_id, id),
  UNIQUE (organization_id, identity_id),
  FOREIGN KEY (organization_id, identity_id) REFERENCES machine_identities (organization_id, id) ON DELETE CASCADE
);

CREATE TABLE client_secrets (
  organization_id uuid NOT NULL,
  id uuid PRIMARY KEY,
  settings_id uuid NOT NULL,
  secret_hash bytea NOT NULL UNIQUE CHECK (octet_length(secret_hash) = 32),
  pepper_id text NOT NULL,
  -- The first characters of the secret, enough to recognise it.
  prefix text NOT NULL,
  description text NOT NULL,
  ttl_seconds bigint NOT NULL CHECK (ttl_seconds >= 0),
  uses_limit bigint NOT NULL CHECK (uses_limit >= 0),
  use_count bigint NOT NULL DEFAULT 0,
  created_at timestamptz(6) NOT NULL,
  updated_at timestamptz(6) NOT NULL,
  revoked_at timestamptz(6),
  revoked_by uuid,
  UNIQUE (organization_id, id),
  FOREIGN KEY (organization_id, settings_id) REFERENCES universal_auth_settings (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX client_secrets_by_settings ON client_secrets (organization_id, settings_id, created_at);

-- Failed logins of a client from one source: an IPv4 address or an IPv6 network of 64 bits. Others are not affected.
CREATE TABLE client_lockouts (
  organization_id uuid NOT NULL,
  settings_id uuid NOT NULL,
  source cidr NOT NULL,
  failures integer NOT NULL,
  locked boolean NOT NULL,
  -- The end of the lock, or of counting.
  expires_at timestamptz(6) NOT NULL,
  PRIMARY KEY (settings_id, source),
  FOREIGN KEY (organization_id, settings_id) REFERENCES universal_auth_settings (organization_id, id) ON DELETE CASCADE
);

-- A machine identity that may act in a sub-organization of its own organization, and with which of its roles.
CREATE TABLE identity_admissions (
  organization_id uuid NOT NULL,
  identity_organization_id uuid NOT NULL,
  identity_id uuid NOT NULL,
  -- NULL: no access.
  role_id uuid,
  created_at timestamptz(6) NOT NULL,
  PRIMARY KEY (organization_id, identity_id),
  FOREIGN KEY (organization_id, identity_organization_id) REFERENCES organizations (id, parent_id),
  FOREIGN KEY (identity_organization_id, identity_id) REFERENCES machine_identities (organization_id, id) ON DELETE CASCADE,
  FOREIGN KEY (organization_id, role_id) REFERENCES roles (organization_id, id)
);
CREATE INDEX identity_admissions_by_identity ON identity_admissions (identity_organization_id, identity_id);

CREATE TABLE api_tokens (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid PRIMARY KEY,
  -- A second, short name of the token for the doors that speak one.
  short_id text,
  -- Counts tokens of one person from 1, for the doors that name a token so.
  number integer CHECK (number > 0),
  kind text NOT NULL CHECK (kind IN ('user', 'project', 'machine-identity', 'organization', 'auth-method')),
  name text,
  description text,
  -- The owner is the person, project or machine named here; with none named it is the organization itself.
  user_id uuid,
  project_id uuid,
  identity_id uuid,
  -- The token whose holder minted this one.
  parent_id uuid,
  -- The client secret it was obtained with, which may be gone since; NULL for a token that was minted.
  client_secret_id uuid,
  -- The sub-organization it acts in, and nowhere else; NULL: the organization itself.
  sub_organization_id uuid,
  -- What it may do is what all of these allow together: its own list, its role, its owner. NULL: no bound of this kind.
  permissions text[],
  role_id uuid,
  -- False: only the projects linked in token_projects, be they none.
  all_projects boolean NOT NULL,
  environment text,
  hint text NOT NULL,
  allowed_addresses text[],
  ttl_seconds bigint,
  max_ttl_seconds bigint,
  expires_at timestamptz(6),
  uses_limit bigint CHECK (uses_limit > 0),
  use_count bigint NOT NULL DEFAULT 0,
  last_used_at timestamptz(6),
  last_used_ip text,
  last_used_user_agent text,
  renewed_at timestamptz(6),
  created_at timestamptz(6) NOT NULL,
  created_by uuid NOT NULL,
  updated_at timestamptz(6) NOT NULL,
  revoked_at timestamptz(6),
  revoked_by uuid,
  revocation_reason text,
  -- Only what a door echoes; nothing in here is ever enforced.
  attributes jsonb NOT NULL DEFAULT '{}',
  UNIQUE (organization_id, id),
  CHECK (num_nonnulls(user_id, project_id, identity_id) <= 1),
  CHECK ((kind = 'user') <= (user_id IS NOT NULL)),
  CHECK ((number IS NOT NULL) <= (user_id IS NOT NULL)),
  CHECK ((kind = 'machine-identity') = (identity_id IS NOT NULL)),
  CHECK (identity_id IS NOT NULL OR (client_secret_id IS NULL AND sub_organization_id IS NULL)),
  CHECK (sub_organization_id IS NULL OR all_projects),
  FOREIGN KEY (organization_id, user_id) REFERENCES memberships (organization_id, user_id),
  FOREIGN KEY (organization_id, project_id) REFERENCES projects (organization_id, id),
  FOREIGN KEY (organization_id, identity_id) REFERENCES machine_identities (organization_id, id),
  FOREIGN KEY (organization_id, parent_id) REFERENCES api_tokens (organization_id, id),
  FOREIGN KEY (sub_organization_id, organization_id) REFERENCES organizations (id, parent_id),
  FOREIGN KEY (organization_id, role_id) REFERENCES roles (organization_id, id)
);
CREATE INDEX api_tokens_by_creation ON api_tokens (organization_id, created_at, id);
CREATE INDEX api_tokens_by_user ON api_tokens (organization_id, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX api_tokens_by_project ON api_tokens (organization_id, project_id) WHERE project_id IS NOT NULL;
CREATE INDEX api_tokens_by_identity ON api_tokens (organization_id, identity_id) WHERE identity_id IS NOT NULL;
CREATE UNIQUE INDEX api_tokens_number ON api_tokens (organization_id, user_id, number) WHERE number IS NOT NULL;
CREATE UNIQUE INDEX api_tokens_short_id ON api_tokens (organization_id, short_id) WHERE short_id IS NOT NULL;

CREATE TABLE token_projects (
  organization_id uuid NOT NULL,
  token_id uuid NOT NULL,
  project_id uuid NOT NULL,
  -- The environment by identity, not by name: one re-created under an old name inherits nothing.
  environment_id uuid,
  PRIMARY KEY (organization_id, token_id, project_id),
  FOREIGN KEY (organization_id, token_id) REFERENCES api_tokens (organization_id, id) ON DELETE CASCADE,
  FOREIGN KEY (organization_id, project_id) REFERENCES projects (organization_id, id) ON DELETE CASCADE,
  FOREIGN KEY (organization_id, project_id, environment_id)
    REFERENCES environments (organization_id, project_id, id) ON DELETE CASCADE
);
CREATE INDEX token_projects_by_project ON token_projects (organization_id, project_id, token_id);

-- The hash of a token's secret, apart from the token: a token keeps its identity while its secrets change.
CREATE TABLE token_secrets (
  secret_hash bytea PRIMARY KEY CHECK (octet_length(secret_hash) = 32),
  pepper_id text NOT NULL,
  organization_id uuid NOT NULL,
  token_id uuid NOT NULL,
  created_at timestamptz(6) NOT NULL,
  -- NULL: as long as its token lives.
  expires_at timestamptz(6),
  FOREIGN KEY (organization_id, token_id) REFERENCES api_tokens (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX token_secrets_by_token ON token_secrets (organization_id, token_id);

CREATE TABLE sessions (
  organization_id uuid NOT NULL,
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL,
  created_at timestamptz(6) NOT NULL,
  expires_at timestamptz(6) NOT NULL,
  ip text,
  user_agent text,
  ended_at timestamptz(6),
  end_reason text,
  UNIQUE (organization_id, id),
  FOREIGN KEY (organization_id, user_id) REFERENCES memberships (organization_id, user_id) ON DELETE CASCADE
);
CREATE INDEX sessions_by_user ON sessions (organization_id, user_id);

CREATE TABLE refresh_tokens (
  secret_hash bytea PRIMARY KEY CHECK (octet_length(secret_hash) = 32),
  pepper_id text NOT NULL,
  organization_id uuid NOT NULL,
  session_id uuid NOT NULL,
  created_at timestamptz(6) NOT NULL,
  expires_at timestamptz(6) NOT NULL,
  used_at timestamptz(6),
  FOREIGN KEY (organization_id, session_id) REFERENCES sessions (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (organization_id, session_id);

-- The installation's own: one key set signs for every organization.
CREATE TABLE signing_keys (
  id text PRIMARY KEY,
  algorithm text NOT NULL,
  public_jwk jsonb NOT NULL,
  -- AES-256-GCM: nonce, tag, ciphertext of the PKCS #8 private key.
  sealed_private_key bytea NOT NULL,
  sealing_key_id text NOT NULL,
  created_at timestamptz(6) NOT NULL,
  retired_at timestamptz(6)
);

CREATE TABLE audit_events (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  id uuid PRIMARY KEY,
  occurred_at timestamptz(6) NOT NULL,
  action text NOT NULL,
  actor_kind text NOT NULL,
  actor_id uuid,
  credential_kind text,
  credential_id uuid,
  target_kind text NOT NULL,
  target_id uuid,
  details jsonb NOT NULL,
  ip text,
  user_agent text,
  request_id text,
  UNIQUE (organization_id, id)
);
CREATE INDEX audit_events_by_time ON audit_events (organization_id, occurred_at, id);

-- Row-level security, forced: a query that forgets its organization finds nothing.
DO $$
DECLARE
  tenant_table text;
BEGIN
  FOREACH tenant_table IN ARRAY ARRAY['roles', 'memberships', 'projects', 'environments', 'machine_identities',
    'machine_identity_metadata', 'token_auth_settings', 'universal_auth_settings', 'client_secrets', 'client_lockouts',
    'identity_admissions', 'api_tokens', 'token_projects', 'token_secrets', 'sessions',
    'refresh_tokens', 'audit_events']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('CREATE POLICY own_organization ON %I USING (organization_id = current_organization_id())
      WITH CHECK (organization_id = current_organization_id())', tenant_table);
  END LOOP;
END
$$;
ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organizations FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON organizations USING (id = current_organization_id())
  WITH CHECK (id = current_organization_id());

-- A person who logs in sees where they are a member, and nothing else of those organizations.
CREATE POLICY own_membership ON memberships FOR SELECT USING (user_id = current_user_id());
CREATE POLICY own_membership ON organizations FOR SELECT
  USING (EXISTS (SELECT FROM memberships m WHERE m.organization_id = organizations.id AND m.user_id = current_user_id()));
-- An organization sees which sub-organizations it has, and where its machine identities are admitted.
CREATE POLICY own_sub_organization ON organizations FOR SELECT USING (parent_id = current_organization_id());
CREATE POLICY own_identity ON identity_admissions FOR SELECT USING (identity_organization_id = current_organization_id());
CREATE POLICY own_identity_withdrawn ON identity_admissions FOR DELETE USING (identity_organization_id = current_organization_id());
-- A secret opens the row of that secret: the one read that cannot know its organization beforehand.
CREATE POLICY presented_secret ON token_secrets FOR SELECT USING (secret_hash = ANY (presented_hashes()));
CREATE POLICY presented_secret ON refresh_tokens FOR SELECT USING (secret_hash = ANY (presented_hashes()));
CREATE POLICY presented_client ON universal_auth_settings FOR SELECT USING (client_id = presented_client_id());

GRANT SELECT, INSERT, UPDATE, DELETE ON organizations, users, roles, memberships, projects, environments,
  machine_identities, machine_identity_metadata, token_auth_settings, universal_auth_settings, client_secrets,
  client_lockouts, identity_admissions, api_tokens, token_projects, token_secrets, sessions, refresh_tokens, signing_keys TO gatehouse_app;
-- Append-only for the service.
GRANT SELECT, INSERT ON audit_events TO gatehouse_app;

-- What holds for a machine identity of a parent organization in the sub-organization it acts in; no row for NULL.
CREATE FUNCTION admission_facts(sub_organization uuid, identity uuid) RETURNS TABLE (
  organization_id uuid, organization_slug text, organization_name text, organization_suspended_at timestamptz,
  admitted boolean, role_key text, role_permissions text[]
) LANGUAGE plpgsql STRICT AS $$
#variable_conflict use_column
DECLARE
  previous_organization_id text := current_setting('gatehouse.organization_id', true);
BEGIN
  PERFORM set_config('gatehouse.organization_id', sub_organization::text, true);
  RETURN QUERY
  SELECT o.id, o.slug, o.name, o.suspended_at, a.identity_id IS NOT NULL, r.key, r.permissions
  FROM organizations o
  LEFT JOIN identity_admissions a ON a.organization_id = o.id AND a.identity_id = identity
  LEFT JOIN roles r ON r.organization_id = a.organization_id AND r.id = a.role_id
  WHERE o.id = sub_organization;
  PERFORM set_config('gatehouse.organization_id', coalesce(previous_organization_id, ''), true);
END
$$;

-- The organization of the machine identity whose client id this is; NULL for an id that is nobody's.
CREATE FUNCTION organization_of_client(client uuid) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  previous_organization_id text := current_setting('gatehouse.organization_id', true);
  previous_presented_client_id text := current_setting('gatehouse.presented_client_id', true);
  organization uuid;
BEGIN
  PERFORM set_config('gatehouse.presented_client_id', client::text, true);
  SELECT s.organization_id INTO organization FROM universal_auth_settings s WHERE s.client_id = client;
  PERFORM set_config('gatehouse.organization_id', coalesce(previous_organization_id, ''), true);
  PERFORM set_config('gatehouse.presented_client_id', coalesce(previous_presented_client_id, ''), true);
  RETURN organization;
END
$$;

-- All that a verdict depends on, for the token that one of these hashes belongs to, in one round trip. The function
-- runs with its caller's rights: it first finds the secret's own row, then looks at that organization alone, and puts
-- both settings back. (A SET clause would do that by itself, but only a superuser may write one for such a setting.)
CREATE FUNCTION token_facts(hashes bytea[]) RETURNS TABLE (
  organization_id uuid, organization_slug text, organization_name text, organization_platform boolean,
  organization_suspended_at timestamptz, kept_in uuid,
  id uuid, short_id text, kind text, name text, description text, hint text,
  user_id uuid, project_id uuid, identity_id uuid, parent_id uuid,
  permissions text[], token_role_key text, token_role_permissions text[],
  owner_role_key text, owner_role_permissions text[], owner_disabled_at timestamptz, owner_exists boolean,
  user_email text, user_name text,
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
    o.platform AND t.sub_organization_id IS NULL, coalesce(o.suspended_at, a.organization_suspended_at), o.id,
    t.id, t.short_id, t.kind, t.name, t.description, t.hint,
    t.user_id, t.project_id, t.identity_id, t.parent_id,
    t.permissions, tr.key, tr.permissions,
    CASE WHEN t.sub_organization_id IS NULL THEN owner_role.key ELSE a.role_key END,
    CASE WHEN t.sub_organization_id IS NULL THEN owner_role.permissions ELSE a.role_permissions END,
    coalesce(m.disabled_at, u.disabled_at),
    CASE WHEN t.user_id IS NOT NULL THEN m.id IS NOT NULL
         WHEN t.project_id IS NOT NULL THEN p.id IS NOT NULL AND p.deleted_at IS NULL
         WHEN t.identity_id IS NOT NULL THEN i.id IS NOT NULL AND i.deleted_at IS NULL
           AND CASE WHEN t.client_secret_id IS NULL THEN tas.id ELSE uas.id END IS NOT NULL
           AND (t.sub_organization_id IS NULL OR coalesce(a.admitted, false))
         ELSE true END,
    u.email, u.name,
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
    AND owner_role.id = coalesce(m.role_id, i.role_id)
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

-- All that a session's verdict depends on, in one round trip.
CREATE FUNCTION session_facts(organization uuid, session uuid) RETURNS TABLE (
  id uuid, expires_at timestamptz, ended_at timestamptz, created_at timestamptz,
  user_id uuid, user_email text, user_name text, user_disabled_at timestamptz,
  role_key text, role_permissions text[],
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
    r.key, r.permissions,
    o.id, o.slug, o.name, o.platform, o.suspended_at
  FROM sessions s
  JOIN organizations o ON o.id = s.organization_id
  JOIN memberships m ON m.organization_id = s.organization_id AND m.user_id = s.user_id
  JOIN users u ON u.id = s.user_id
  JOIN roles r ON r.organization_id = s.organization_id AND r.id = m.role_id
  WHERE s.organization_id = organization AND s.id = session;
  PERFORM set_config('gatehouse.organization_id', coalesce(previous_organization_id, ''), true);
END
$$;
