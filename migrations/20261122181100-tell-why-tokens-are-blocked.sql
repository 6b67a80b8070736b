-- True where the pattern stands for the permission, as `covers` in src/tokens/permission-pattern.ts has it: `*` is any one
-- segment, and before the operator's own permissions none at all.
CREATE FUNCTION permission_covered(permission text, pattern text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN permission = pattern
    OR permission ~ ('^' || replace(pattern, '*', '[^:]+') || '$') AND NOT (permission LIKE 'platform:%' AND pattern LIKE '*%');

-- True for a list that keeps some address out: one with a range of a whole family does not count.
CREATE FUNCTION binds_to_addresses(entries text[]) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN coalesce(NOT EXISTS (SELECT FROM unnest(entries) AS entry WHERE entry ~ '/0+$') AND entries IS NOT NULL, false);

-- The same that `blockOf` in src/tokens/policy.ts says at a token's use, for lists of tokens: which rule of these policies
-- blocks it at that moment, or NULL. A test compares the two.
CREATE FUNCTION token_block_reason(organization uuid, token_id uuid, policies jsonb, moment timestamptz) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
  token api_tokens;
  no_kind boolean; no_end boolean; unbound boolean; longest_seconds bigint; idle_days bigint;
BEGIN
  IF policies = '[]' THEN
    RETURN NULL;
  END IF;
  SELECT * INTO token FROM api_tokens t WHERE t.organization_id = organization AND t.id = token_id;
  SELECT bool_or(jsonb_typeof(p -> 'allowedKinds') = 'array' AND NOT p -> 'allowedKinds' ? token.kind), bool_or((p ->> 'expiryRequired')::boolean),
    bool_or((p ->> 'addressesRequired')::boolean)
      AND NOT bool_or(jsonb_typeof(p -> 'allowedAddresses') = 'array'
        AND binds_to_addresses(ARRAY(SELECT jsonb_array_elements_text(nullif(p -> 'allowedAddresses', 'null'))))),
    min((p -> 'longestLifetimeSeconds' ->> token.kind)::bigint), min((p ->> 'idleDays')::bigint)
  INTO no_kind, no_end, unbound, longest_seconds, idle_days
  FROM jsonb_array_elements(policies) AS p;
  IF no_kind THEN
    RETURN 'kind-not-allowed';
  END IF;
  IF no_end AND token.expires_at IS NULL THEN
    RETURN 'expiry-required';
  END IF;
  IF longest_seconds IS NOT NULL AND (token.expires_at IS NULL OR token.expires_at > token.created_at + make_interval(secs => longest_seconds)) THEN
    RETURN 'lifetime-too-long';
  END IF;
  IF unbound AND NOT binds_to_addresses(token.allowed_addresses) AND NOT EXISTS (
    SELECT FROM machine_identities i
    LEFT JOIN token_auth_settings tas ON tas.organization_id = i.organization_id AND tas.identity_id = i.id
    LEFT JOIN universal_auth_settings uas ON uas.organization_id = i.organization_id AND uas.identity_id = i.id
    WHERE i.organization_id = token.organization_id AND i.id = token.identity_id
      AND binds_to_addresses(CASE WHEN token.client_secret_id IS NULL THEN tas.trusted_addresses ELSE uas.trusted_addresses END)
  ) THEN
    RETURN 'addresses-required';
  END IF;
  IF EXISTS (
    SELECT FROM unnest(token.permissions) AS carried, jsonb_array_elements(policies) AS p
    WHERE jsonb_typeof(p -> 'allowedPermissions') = 'array' AND NOT EXISTS (
      SELECT FROM jsonb_array_elements_text(p -> 'allowedPermissions') AS pattern WHERE permission_covered(carried, pattern))
  ) THEN
    RETURN 'permissions-not-allowed';
  END IF;
  IF moment >= greatest(token.created_at, token.last_used_at, token.renewed_at) + make_interval(secs => idle_days * 86400) THEN
    RETURN 'idle';
  END IF;
  RETURN NULL;
END
$$;
