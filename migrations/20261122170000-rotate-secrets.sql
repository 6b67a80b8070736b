-- A rotation draws a secret that waits for its first use (`pending`); from then on the others end after the overlap. One
-- that was replaced so stays for a while after its end, so that whoever still presents it is noticed.
ALTER TABLE token_secrets
  -- NULL for secrets older than this column.
  ADD COLUMN hint text,
  ADD COLUMN pending boolean NOT NULL DEFAULT false,
  -- How much longer the others work once it is used; NULL for secrets that no rotation drew.
  ADD COLUMN overlap_seconds integer CHECK (overlap_seconds BETWEEN 0 AND 604800),
  -- When the first use of its successor replaced it.
  ADD COLUMN replaced_at timestamptz(6),
  ADD CHECK (NOT pending OR (hint IS NOT NULL AND overlap_seconds IS NOT NULL AND replaced_at IS NULL));
CREATE UNIQUE INDEX token_secrets_pending ON token_secrets (organization_id, token_id) WHERE pending;
CREATE INDEX token_secrets_replaced ON token_secrets (organization_id, expires_at) WHERE replaced_at IS NOT NULL;

ALTER TABLE api_tokens
  ADD COLUMN rotated_at timestamptz(6),
  ADD COLUMN rotation_interval_days integer CHECK (rotation_interval_days BETWEEN 1 AND 3650),
  ADD COLUMN rotation_due_at timestamptz(6),
  ADD COLUMN reuse_detected_at timestamptz(6);
CREATE INDEX api_tokens_by_rotation ON api_tokens (organization_id, rotation_due_at) WHERE rotation_due_at IS NOT NULL AND revoked_at IS NULL;

-- As before, with what a verdict must know of a rotation.
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
  pepper_id text, secret_hash bytea, secret_expires_at timestamptz,
  secret_hint text, secret_pending boolean, secret_replaced_at timestamptz, reuse_detected_at timestamptz
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
    found_secret.pepper_id, found_secret.secret_hash, found_secret.expires_at,
    found_secret.hint, found_secret.pending, found_secret.replaced_at, t.reuse_detected_at
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
