-- Whether the organization keeps no more than so many live tokens with so many more; NULL where there is no such bound. Until the
-- transaction ends nobody else gets past this, so the count stays true.
CREATE FUNCTION has_token_room(organization uuid, active_tokens_max bigint, more bigint, moment timestamptz) RETURNS boolean LANGUAGE plpgsql STRICT AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('active-tokens:' || organization, 0));
  RETURN more + (
    SELECT count(*) FROM api_tokens t
    WHERE t.organization_id = organization AND t.revoked_at IS NULL
      AND (CASE WHEN t.expires_at IS NULL THEN timestamptz 'infinity' ELSE t.expires_at END) > moment
  ) <= active_tokens_max;
END
$$;

-- What is decided by when a token is minted under the Token Auth of a machine identity; NULL where that cannot be.
CREATE FUNCTION identity_grounds(organization uuid, identity uuid) RETURNS jsonb LANGUAGE sql STABLE
  RETURN (
    SELECT jsonb_build_object(
      'settings', jsonb_build_object('ttlSeconds', s.ttl_seconds, 'maxTtlSeconds', s.max_ttl_seconds, 'usesLimit', s.uses_limit, 'trustedAddresses', s.trusted_addresses),
      'role', CASE WHEN r.id IS NOT NULL THEN jsonb_build_object('key', r.key, 'permissions', r.permissions) END,
      'registered', (SELECT coalesce(jsonb_agg(p.key ORDER BY p.key), '[]') FROM registered_permissions p),
      'inSubOrganization', o.parent_id IS NOT NULL)
    FROM machine_identities i
    JOIN organizations o ON o.id = i.organization_id
    JOIN token_auth_settings s ON s.organization_id = i.organization_id AND s.identity_id = i.id
    LEFT JOIN roles r ON r.organization_id = i.organization_id AND r.id = i.role_id AND r.deleted_at IS NULL
    WHERE i.organization_id = organization AND i.id = identity AND i.deleted_at IS NULL
  );

-- Writes one token with its secret, its projects and its audit event, in the organization that the transaction is bound to;
-- or nothing, and says why. What `src/tokens/token-minter.ts` decided it by is looked at once more here, and held until the
-- transaction ends. Locks are taken in the order in which what they lock is deleted: environments, projects, Token Auth, tokens.
CREATE FUNCTION mint_token(mint jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  token api_tokens := jsonb_populate_record(NULL::api_tokens, mint -> 'token');
  event audit_events := jsonb_populate_record(NULL::audit_events, mint -> 'event');
  -- NULL: all.
  project_ids uuid[] := CASE WHEN NOT token.all_projects THEN ARRAY(SELECT jsonb_array_elements_text(mint -> 'project_ids')) END;
  environment_ids uuid[];
  held_ids uuid[];
  policies jsonb;
  -- Whether webhooks are to be told, which is not done here.
  followed boolean := EXISTS (SELECT FROM webhooks w WHERE w.organization_id = token.organization_id AND w.disabled_at IS NULL AND 'token.created' = ANY (w.events));
BEGIN
  IF followed AND NOT (mint ->> 'may_be_followed')::boolean THEN
    RETURN jsonb_build_object('outcome', 'followed');
  END IF;
  policies := binding_policies(token.organization_id, token.sub_organization_id);
  IF policies <> mint -> 'policies' THEN
    RETURN jsonb_build_object('outcome', 'policies-changed', 'policies', policies);
  END IF;
  IF token.environment IS NOT NULL THEN
    environment_ids := ARRAY(
      SELECT e.id FROM environments e
      WHERE e.organization_id = token.organization_id AND (project_ids IS NULL OR e.project_id = ANY (project_ids)) AND e.key = token.environment AND e.deleted_at IS NULL
      ORDER BY e.id LIMIT CASE WHEN project_ids IS NULL THEN 1 END FOR KEY SHARE);
    IF cardinality(environment_ids) < coalesce(cardinality(project_ids), 1) THEN
      RETURN jsonb_build_object('outcome', 'environment-gone');
    END IF;
  END IF;
  IF project_ids <> '{}' THEN
    held_ids := ARRAY(
      SELECT p.id FROM projects p WHERE p.organization_id = token.organization_id AND p.id = ANY (project_ids) AND p.deleted_at IS NULL
      ORDER BY p.id FOR KEY SHARE);
    IF NOT held_ids @> project_ids THEN
      RETURN jsonb_build_object('outcome', 'project-gone', 'held_ids', held_ids);
    END IF;
  END IF;
  IF mint -> 'grounds' ? 'identity' THEN
    PERFORM FROM token_auth_settings s WHERE s.organization_id = token.organization_id AND s.identity_id = token.identity_id FOR KEY SHARE;
    IF identity_grounds(token.organization_id, token.identity_id) IS DISTINCT FROM mint -> 'grounds' -> 'identity' THEN
      RETURN jsonb_build_object('outcome', 'grounds-changed');
    END IF;
  END IF;
  IF mint -> 'grounds' ? 'roleOf' THEN
    PERFORM FROM roles r JOIN memberships m ON m.organization_id = r.organization_id AND m.role_id = r.id
    WHERE r.organization_id = token.organization_id AND r.id = token.role_id AND r.deleted_at IS NULL
      AND m.user_id = (mint -> 'grounds' ->> 'roleOf')::uuid AND m.removed_at IS NULL
    FOR KEY SHARE OF r;
    IF NOT FOUND THEN
      RETURN jsonb_build_object('outcome', 'grounds-changed');
    END IF;
  END IF;
  IF token.parent_id IS NOT NULL THEN
    PERFORM FROM api_tokens t WHERE t.organization_id = token.organization_id AND t.id = token.parent_id AND t.revoked_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
      RETURN jsonb_build_object('outcome', 'parent-ended');
    END IF;
  END IF;
  IF NOT has_token_room(token.organization_id, (mint ->> 'active_tokens_max')::bigint, 1, token.created_at) THEN
    RETURN jsonb_build_object('outcome', 'no-room');
  END IF;

  IF token.identity_id IS NOT NULL THEN
    -- Where somebody else is about to write that there was a login, there was one.
    UPDATE machine_identities i
    SET last_login_at = token.created_at, last_login_method = CASE WHEN token.client_secret_id IS NULL THEN 'token-auth' ELSE 'universal-auth' END
    FROM (SELECT o.id FROM machine_identities o WHERE o.organization_id = token.organization_id AND o.id = token.identity_id FOR NO KEY UPDATE SKIP LOCKED) free
    WHERE i.organization_id = token.organization_id AND i.id = free.id AND i.last_login_at IS DISTINCT FROM token.created_at;
  END IF;
  INSERT INTO api_tokens (organization_id, id, short_id, number, kind, name, description, user_id, project_id, identity_id, parent_id, client_secret_id,
      sub_organization_id, permissions, role_id, all_projects, environment, hint, allowed_addresses, ttl_seconds, max_ttl_seconds, expires_at, uses_limit,
      created_at, created_by, updated_at, attributes)
    VALUES (token.organization_id, token.id, token.short_id, token.number, token.kind, token.name, token.description, token.user_id, token.project_id,
      token.identity_id, token.parent_id, token.client_secret_id, token.sub_organization_id, token.permissions, token.role_id, token.all_projects,
      token.environment, token.hint, token.allowed_addresses, token.ttl_seconds, token.max_ttl_seconds, token.expires_at, token.uses_limit,
      token.created_at, token.created_by, token.created_at, token.attributes);
  INSERT INTO token_secrets (secret_hash, pepper_id, organization_id, token_id, created_at, hint)
    VALUES (decode(mint ->> 'secret_hash', 'hex'), mint ->> 'pepper_id', token.organization_id, token.id, token.created_at, token.hint);
  IF project_ids <> '{}' THEN
    INSERT INTO token_projects (organization_id, token_id, project_id, environment_id)
      SELECT token.organization_id, token.id, linked.id, e.id
      FROM unnest(project_ids) AS linked (id)
      LEFT JOIN environments e ON e.organization_id = token.organization_id AND e.project_id = linked.id AND e.id = ANY (environment_ids);
  END IF;
  INSERT INTO audit_events SELECT event.*;
  RETURN jsonb_build_object('outcome', 'minted', 'followed', followed);
END
$$;

-- The same for several, each of whichever organization it names, as one transaction of its own: what stands in the way of one
-- is said of that one alone, in their order. Waits no longer than that for what others hold; NULL: as long as usual.
CREATE FUNCTION mint_tokens(mints jsonb, patience text) RETURNS SETOF jsonb LANGUAGE plpgsql AS $$
DECLARE
  mint jsonb;
BEGIN
  PERFORM set_config('lock_timeout', coalesce(patience, current_setting('lock_timeout')), true);
  FOR mint IN SELECT jsonb_array_elements(mints) LOOP
    PERFORM set_config('gatehouse.organization_id', mint -> 'token' ->> 'organization_id', true);
    RETURN NEXT mint_token(mint);
  END LOOP;
  PERFORM set_config('gatehouse.organization_id', '', true);
END
$$;
