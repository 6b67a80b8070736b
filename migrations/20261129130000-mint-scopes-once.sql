-- What a token of a machine identity is decided by, as before. A function in SQL that is not written into the statement itself is
-- planned anew by each transaction that calls it, and this one was not: what makes bytes of text depends on the server's encoding,
-- which IMMUTABLE denies.
CREATE OR REPLACE FUNCTION grounds_digest(grounds jsonb) RETURNS text LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
  RETURN encode(sha256(convert_to(grounds::text, 'UTF8')), 'hex');
END
$$;

-- As before, but what the mints are limited to (projects, environment) is looked at once for all that have it in common, and written with
-- everything else.
CREATE OR REPLACE FUNCTION mint_in_organization(organization uuid, mints jsonb, may_be_followed boolean) RETURNS jsonb LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  outcomes jsonb[];
  -- What some of the mints need: nothing is asked for the sake of none.
  needs record;
  -- By the organization they act in; '' for the one they are kept in.
  binding jsonb := jsonb_build_object('', binding_policies(organization, NULL));
  -- Project and key of each that is sought; '*' where all projects are meant.
  environment_names text[] := '{}';
  -- By that, of those that are there.
  environment_ids jsonb := '{}';
  sought_ids uuid[] := '{}';
  held_ids uuid[] := '{}';
  -- By identity.
  identities jsonb := '{}';
  -- Roles, each with whom it makes a member.
  held_roles text[] := '{}';
  parent_ids uuid[] := '{}';
  live bigint;
  place bigint;
  active_tokens_max bigint;
  -- Whether webhooks are to be told, which is not done here.
  followed boolean := EXISTS (SELECT FROM webhooks w WHERE w.organization_id = organization AND w.disabled_at IS NULL AND 'token.created' = ANY (w.events));
BEGIN
  IF followed AND NOT may_be_followed THEN
    RETURN to_jsonb(array_fill(jsonb_build_object('outcome', 'followed'), ARRAY[jsonb_array_length(mints)]));
  END IF;
  SELECT array_agg(DISTINCT jsonb_build_array(m.project_ids, m.environment)) FILTER (WHERE m.environment IS NOT NULL OR m.project_ids <> '[]') AS scopes,
      bool_or(m.grounds ? 'identity') AS identities,
      bool_or(m.grounds ? 'roleOf') AS roles, count(DISTINCT m.parent_id) AS parents, bool_or(m.active_tokens_max IS NOT NULL) AS room,
      bool_or(m.identity_id IS NOT NULL) AS logins, max(m.created_at) AS moment, bool_or(m.sub_organization_id IS NOT NULL) AS sub_organizations,
      bool_or(coalesce(m.policies, '[]') <> binding -> '') AS other_policies
    INTO needs
    FROM jsonb_to_recordset(mints) AS m (environment text, project_ids jsonb, grounds jsonb, parent_id uuid, active_tokens_max bigint, identity_id uuid,
      created_at timestamptz, sub_organization_id uuid, policies jsonb);
  IF needs.sub_organizations THEN
    SELECT binding || jsonb_object_agg(s.id, binding_policies(organization, s.id)) INTO binding
      FROM (SELECT DISTINCT m.sub_organization_id AS id FROM jsonb_to_recordset(mints) AS m (sub_organization_id uuid)) s WHERE s.id IS NOT NULL;
  END IF;
  IF needs.scopes IS NOT NULL THEN
    sought_ids := ARRAY(SELECT DISTINCT jsonb_array_elements_text(s.scope -> 0)::uuid FROM unnest(needs.scopes) AS s (scope) WHERE s.scope -> 0 <> 'null' ORDER BY 1);
    environment_names := ARRAY(
      SELECT coalesce(p.id, '*') || ' ' || (s.scope ->> 1)
      FROM unnest(needs.scopes) AS s (scope) LEFT JOIN LATERAL jsonb_array_elements_text(nullif(s.scope -> 0, 'null')) AS p (id) ON true WHERE s.scope ->> 1 IS NOT NULL);
  END IF;
  IF environment_names <> '{}' THEN
    SELECT coalesce(jsonb_object_agg(e.project_id || ' ' || e.key, e.id), '{}') INTO environment_ids FROM (
      SELECT e.project_id, e.key, e.id FROM environments e
      WHERE e.organization_id = organization AND e.deleted_at IS NULL AND e.project_id = ANY (sought_ids) AND e.project_id || ' ' || e.key = ANY (environment_names)
      ORDER BY e.id FOR KEY SHARE) e;
    -- Where all projects are meant, one that has the environment is enough.
    SELECT environment_ids || coalesce(jsonb_object_agg(sought.name, e.id), '{}') INTO environment_ids
      FROM unnest(environment_names) AS sought (name)
      CROSS JOIN LATERAL (
        SELECT a.id FROM environments a WHERE a.organization_id = organization AND a.key = substr(sought.name, 3) AND a.deleted_at IS NULL
        ORDER BY a.id LIMIT 1 FOR KEY SHARE) e
      WHERE starts_with(sought.name, '* ');
  END IF;
  IF sought_ids <> '{}' THEN
    held_ids := ARRAY(
      SELECT p.id FROM unnest(sought_ids) AS sought (id)
      CROSS JOIN LATERAL (SELECT o.id FROM projects o WHERE o.organization_id = organization AND o.id = sought.id AND o.deleted_at IS NULL FOR KEY SHARE) p);
  END IF;
  IF needs.identities THEN
    PERFORM FROM token_auth_settings s
      WHERE s.organization_id = organization
        AND s.identity_id = ANY (ARRAY(SELECT DISTINCT m.identity_id FROM jsonb_to_recordset(mints) AS m (identity_id uuid, grounds jsonb) WHERE m.grounds ? 'identity'))
      ORDER BY s.id FOR KEY SHARE;
    SELECT jsonb_object_agg(i.id, grounds_digest(identity_grounds(organization, i.id))) INTO identities
      FROM (SELECT DISTINCT m.identity_id AS id FROM jsonb_to_recordset(mints) AS m (identity_id uuid, grounds jsonb) WHERE m.grounds ? 'identity') i;
  END IF;
  IF needs.roles THEN
    held_roles := ARRAY(
      SELECT r.id || ' ' || m.user_id FROM roles r JOIN memberships m ON m.organization_id = r.organization_id AND m.role_id = r.id
      WHERE r.organization_id = organization AND r.deleted_at IS NULL AND m.removed_at IS NULL
        AND (r.id, m.user_id) IN (
          SELECT n.role_id, (n.grounds ->> 'roleOf')::uuid FROM jsonb_to_recordset(mints) AS n (role_id uuid, grounds jsonb) WHERE n.grounds ? 'roleOf')
      ORDER BY r.id FOR KEY SHARE OF r);
  END IF;
  IF needs.parents > 0 THEN
    parent_ids := ARRAY(
      SELECT p.id FROM (SELECT DISTINCT m.parent_id AS id FROM jsonb_to_recordset(mints) AS m (parent_id uuid) ORDER BY 1) sought
      CROSS JOIN LATERAL (SELECT o.id FROM api_tokens o WHERE o.organization_id = organization AND o.id = sought.id AND o.revoked_at IS NULL FOR SHARE) p);
  END IF;

  IF needs.other_policies OR needs.sub_organizations OR NOT environment_ids ?& environment_names OR NOT sought_ids <@ held_ids
      OR needs.identities OR needs.roles OR needs.room
      OR needs.parents > cardinality(parent_ids) THEN
    outcomes := ARRAY(
      SELECT CASE
        WHEN coalesce(m.policies, '[]') <> binding -> coalesce(m.sub_organization_id::text, '')
          THEN jsonb_build_object('outcome', 'policies-changed', 'policies', binding -> coalesce(m.sub_organization_id::text, ''))
        WHEN m.environment IS NOT NULL
            AND NOT environment_ids ?& CASE WHEN m.project_ids IS NULL THEN ARRAY['* ' || m.environment] ELSE ARRAY(SELECT id || ' ' || m.environment FROM unnest(m.project_ids) AS id) END
          THEN jsonb_build_object('outcome', 'environment-gone')
        WHEN NOT m.project_ids <@ held_ids THEN jsonb_build_object('outcome', 'project-gone', 'held_ids', held_ids)
        WHEN m.grounds ? 'identity' AND identities -> m.identity_id::text IS DISTINCT FROM m.grounds -> 'identity'
          OR m.grounds ? 'roleOf' AND (m.role_id || ' ' || (m.grounds ->> 'roleOf') = ANY (held_roles)) IS NOT TRUE
          THEN jsonb_build_object('outcome', 'grounds-changed')
        WHEN m.parent_id IS NOT NULL AND m.parent_id <> ALL (parent_ids) THEN jsonb_build_object('outcome', 'parent-ended')
      END
      FROM ROWS FROM (jsonb_to_recordset(mints) AS (environment text, project_ids uuid[], grounds jsonb, parent_id uuid, identity_id uuid, role_id uuid,
        sub_organization_id uuid, policies jsonb)) WITH ORDINALITY m ORDER BY m.ordinality);
    IF needs.room THEN
      live := hold_live_tokens(organization, needs.moment);
      FOR place, active_tokens_max IN
        SELECT m.ordinality, m.active_tokens_max FROM ROWS FROM (jsonb_to_recordset(mints) AS (active_tokens_max bigint)) WITH ORDINALITY m ORDER BY m.ordinality
      LOOP
        CONTINUE WHEN outcomes[place] IS NOT NULL;
        IF live + 1 > active_tokens_max THEN
          outcomes[place] := jsonb_build_object('outcome', 'no-room');
        ELSE
          live := live + 1;
        END IF;
      END LOOP;
    END IF;
    IF array_remove(outcomes, NULL) <> '{}' THEN
      SELECT coalesce(jsonb_agg(m.mint ORDER BY m.place), '[]') INTO mints FROM jsonb_array_elements(mints) WITH ORDINALITY m (mint, place) WHERE outcomes[m.place] IS NULL;
    ELSE
      outcomes := NULL;
    END IF;
  END IF;

  IF needs.logins THEN
    -- Where somebody else is about to write that there was a login, there was one.
    UPDATE machine_identities i
    SET last_login_at = login.moment, last_login_method = login.method
    FROM (
      SELECT DISTINCT ON (m.identity_id) m.identity_id, m.created_at AS moment, CASE WHEN m.client_secret_id IS NULL THEN 'token-auth' ELSE 'universal-auth' END AS method
      FROM ROWS FROM (jsonb_to_recordset(mints) AS (identity_id uuid, client_secret_id uuid, created_at timestamptz)) WITH ORDINALITY m
      WHERE m.identity_id IS NOT NULL ORDER BY m.identity_id, m.ordinality DESC
    ) login
    CROSS JOIN LATERAL (SELECT o.id FROM machine_identities o WHERE o.organization_id = organization AND o.id = login.identity_id FOR NO KEY UPDATE SKIP LOCKED) free
    WHERE i.organization_id = organization AND i.id = free.id AND i.last_login_at IS DISTINCT FROM login.moment;
  END IF;
  WITH m AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(mints) AS m (id uuid, short_id text, number integer, kind text, name text, description text, user_id uuid, project_id uuid,
      identity_id uuid, parent_id uuid, client_secret_id uuid, sub_organization_id uuid, permissions text[], role_id uuid, project_ids uuid[], environment text, hint text,
      allowed_addresses text[], ttl_seconds bigint, max_ttl_seconds bigint, expires_at timestamptz, uses_limit bigint, created_at timestamptz, created_by uuid,
      attributes jsonb, secret_hash text, pepper_id text, event jsonb)
  ), tokens AS (
    INSERT INTO api_tokens (organization_id, id, short_id, number, kind, name, description, user_id, project_id, identity_id, parent_id, client_secret_id,
        sub_organization_id, permissions, role_id, all_projects, environment, hint, allowed_addresses, ttl_seconds, max_ttl_seconds, expires_at, uses_limit,
        created_at, created_by, updated_at, attributes)
      SELECT organization, m.id, m.short_id, m.number, m.kind, m.name, m.description, m.user_id, m.project_id, m.identity_id, m.parent_id, m.client_secret_id,
        m.sub_organization_id, m.permissions, m.role_id, m.project_ids IS NULL, m.environment, m.hint, m.allowed_addresses, m.ttl_seconds, m.max_ttl_seconds,
        m.expires_at, m.uses_limit, m.created_at, m.created_by, m.created_at, coalesce(m.attributes, '{}')
      FROM m
  ), secrets AS (
    INSERT INTO token_secrets (secret_hash, pepper_id, organization_id, token_id, created_at, hint)
      SELECT decode(m.secret_hash, 'hex'), m.pepper_id, organization, m.id, m.created_at, m.hint FROM m
  ), projects AS (
    INSERT INTO token_projects (organization_id, token_id, project_id, environment_id)
      SELECT organization, m.id, linked.id, (environment_ids ->> (linked.id || ' ' || m.environment))::uuid FROM m CROSS JOIN LATERAL unnest(m.project_ids) AS linked (id)
  )
  INSERT INTO audit_events SELECT e.* FROM m CROSS JOIN LATERAL jsonb_populate_record(NULL::audit_events, m.event) e;
  IF followed THEN
    RETURN to_jsonb(array_replace(coalesce(outcomes, array_fill(NULL::jsonb, ARRAY[jsonb_array_length(mints)])), NULL, jsonb_build_object('outcome', 'minted', 'followed', true)));
  END IF;
  RETURN to_jsonb(outcomes);
END
$$;
