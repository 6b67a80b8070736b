-- All that a verdict depends on, of as many secrets as are asked for at once: a row for each of these hashes that is a secret's,
-- told apart by `secret_hash`. A hash that is given twice may come twice. What runs long is begun once for all secrets of an
-- organization: a secret that is one of many costs a fifth of a lone one, and a lone one no more than before.
--
-- Each secret is looked for by itself: so it is seen by its own hash alone, which is quick to compare. Each token is joined by itself
-- (LIMIT), and how many there are is hidden from the planner (SELECT): so there is one plan for any number, made once, that
-- has the index of a single token at every step, whatever the tables held when it was made.
--
-- `token_facts`, which reads one, is left to processes of the version before.
CREATE FUNCTION token_facts_of(hashes bytea[]) RETURNS TABLE (
  organization_id uuid, organization_slug text, organization_name text, organization_platform boolean,
  organization_suspended_at timestamptz, kept_in uuid,
  id uuid, short_id text, kind text, name text, description text, hint text,
  user_id uuid, project_id uuid, identity_id uuid, parent_id uuid,
  permissions text[], token_role_key text, token_role_permissions text[],
  owner_role_key text, owner_role_permissions text[], owner_disabled_at timestamptz, owner_exists boolean,
  user_email text, user_name text, registered_permissions text[],
  all_projects boolean, project_ids uuid[], project_keys text[], environment text, environment_exists boolean,
  allowed_addresses text[], owner_allowed_addresses text[],
  expires_at timestamptz, uses_limit bigint, use_count bigint, last_used_at timestamptz, renewed_at timestamptz,
  created_at timestamptz, created_by uuid, updated_at timestamptz,
  revoked_at timestamptz, revoked_by uuid, revocation_reason text, attributes jsonb,
  pepper_id text, secret_hash bytea, secret_expires_at timestamptz,
  secret_hint text, secret_pending boolean, secret_replaced_at timestamptz, reuse_detected_at timestamptz, policies jsonb
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  previous_organization_id text := current_setting('gatehouse.organization_id', true);
  previous_presented_hashes text := current_setting('gatehouse.presented_hashes', true);
  presented bytea;
  secret token_secrets;
  secrets token_secrets[] := '{}';
  organization uuid;
  organizations uuid[] := '{}';
  binding jsonb;
BEGIN
  FOREACH presented IN ARRAY hashes LOOP
    PERFORM set_config('gatehouse.presented_hashes', ARRAY[presented]::text, true);
    SELECT s.* INTO secret FROM token_secrets s WHERE s.secret_hash = presented;
    CONTINUE WHEN NOT FOUND;
    secrets := secrets || secret;
    IF secret.organization_id <> ALL (organizations) THEN
      organizations := organizations || secret.organization_id;
    END IF;
  END LOOP;
  PERFORM set_config('gatehouse.presented_hashes', coalesce(previous_presented_hashes, ''), true);
  FOREACH organization IN ARRAY organizations LOOP
    PERFORM set_config('gatehouse.organization_id', organization::text, true);
    binding := binding_policies(organization, NULL);
    RETURN QUERY
    SELECT f.* FROM unnest((SELECT secrets)) s CROSS JOIN LATERAL (
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
        t.expires_at, t.uses_limit, t.use_count, t.last_used_at, t.renewed_at,
        t.created_at, t.created_by, t.updated_at,
        t.revoked_at, t.revoked_by, t.revocation_reason, t.attributes,
        s.pepper_id, s.secret_hash, s.expires_at,
        s.hint, s.pending, s.replaced_at, t.reuse_detected_at,
        CASE WHEN t.sub_organization_id IS NULL THEN binding ELSE binding_policies(t.organization_id, t.sub_organization_id) END
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
      WHERE t.organization_id = s.organization_id AND t.id = s.token_id
      LIMIT 1
    ) f
    WHERE s.organization_id = organization;
  END LOOP;
  PERFORM set_config('gatehouse.organization_id', coalesce(previous_organization_id, ''), true);
END
$$;
