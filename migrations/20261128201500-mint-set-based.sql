-- One token as the service decided upon it, with all that is written with it; NULL as project_ids: all.
CREATE TYPE token_mint AS (
  token api_tokens,
  project_ids uuid[],
  secret_hash text,
  pepper_id text,
  event audit_events,
  policies jsonb,
  grounds jsonb,
  active_tokens_max bigint,
  may_be_followed boolean
);

-- How many tokens of the organization are live. Until the transaction ends nobody else gets past this, so it stays true.
CREATE FUNCTION hold_live_tokens(organization uuid, moment timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('active-tokens:' || organization, 0));
  RETURN (
    SELECT count(*) FROM api_tokens t
    WHERE t.organization_id = organization AND t.revoked_at IS NULL
      AND (CASE WHEN t.expires_at IS NULL THEN timestamptz 'infinity' ELSE t.expires_at END) > moment
  );
END
$$;

CREATE OR REPLACE FUNCTION has_token_room(organization uuid, active_tokens_max bigint, more bigint, moment timestamptz) RETURNS boolean LANGUAGE plpgsql STRICT AS $$
BEGIN
  RETURN more + hold_live_tokens(organization, moment) <= active_tokens_max;
END
$$;

-- Writes tokens, each with its secret, its projects and its audit event, in the one organization that they are of and the
-- transaction is bound to. Says of each in their order that it was minted, or why it was not and nothing of it was written.
-- What `src/tokens/token-minter.ts` decided them by is looked at once more here, for all of them together, and held until the
-- transaction ends. Locks are taken in the order in which what they lock is deleted: environments, projects, Token Auth,
-- roles, tokens; what stands in the way is looked for under all of them.
CREATE FUNCTION mint_in_organization(organization uuid, mints token_mint[]) RETURNS jsonb[] LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  outcomes jsonb[];
  -- What some of the mints need: nothing is asked for the sake of none.
  needs record;
  -- By the organization they act in; '' for the one they are kept in.
  binding jsonb := '{}';
  environment_ids uuid[] := '{}';
  held_ids uuid[] := '{}';
  -- By identity.
  identities jsonb := '{}';
  -- Roles, each with whom it makes a member.
  held_roles text[] := '{}';
  parent_ids uuid[] := '{}';
  live bigint;
  -- Whether webhooks are to be told, which is not done here.
  followed boolean := EXISTS (SELECT FROM webhooks w WHERE w.organization_id = organization AND w.disabled_at IS NULL AND 'token.created' = ANY (w.events));
BEGIN
  SELECT bool_or((m.token).environment IS NOT NULL) AS environments, bool_or(m.project_ids <> '{}') AS projects,
      bool_or(m.grounds ? 'identity') AS identities, bool_or(m.grounds ? 'roleOf') AS roles, bool_or((m.token).parent_id IS NOT NULL) AS parents,
      bool_or(m.active_tokens_max IS NOT NULL) AS room, bool_or((m.token).identity_id IS NOT NULL) AS logins, bool_and(m.may_be_followed) AS followers,
      max((m.token).created_at) AS moment, array_agg(DISTINCT (m.token).sub_organization_id) AS sub_organizations
    INTO needs FROM unnest(mints) m;
  IF followed AND NOT needs.followers THEN
    RETURN array_fill(jsonb_build_object('outcome', 'followed'), ARRAY[cardinality(mints)]);
  END IF;
  SELECT jsonb_object_agg(coalesce(s.id::text, ''), binding_policies(organization, s.id)) INTO binding FROM unnest(needs.sub_organizations) AS s (id);
  IF needs.environments THEN
    -- Where all projects are meant, one that has the environment is enough.
    environment_ids := ARRAY(
      SELECT e.id FROM environments e
      WHERE e.organization_id = organization AND e.deleted_at IS NULL
        AND (e.project_id, e.key) IN (SELECT unnest(m.project_ids), (m.token).environment FROM unnest(mints) m)
      ORDER BY e.id FOR KEY SHARE OF e)
    || ARRAY(
      SELECT e.id FROM (SELECT DISTINCT (m.token).environment AS key FROM unnest(mints) m WHERE m.project_ids IS NULL) sought
      CROSS JOIN LATERAL (
        SELECT a.id FROM environments a WHERE a.organization_id = organization AND a.key = sought.key AND a.deleted_at IS NULL
        ORDER BY a.id LIMIT 1 FOR KEY SHARE) e);
  END IF;
  IF needs.projects THEN
    held_ids := ARRAY(
      SELECT p.id FROM projects p
      WHERE p.organization_id = organization AND p.id = ANY (ARRAY(SELECT unnest(m.project_ids) FROM unnest(mints) m)) AND p.deleted_at IS NULL
      ORDER BY p.id FOR KEY SHARE);
  END IF;
  IF needs.identities THEN
    PERFORM FROM token_auth_settings s
      WHERE s.organization_id = organization AND s.identity_id = ANY (ARRAY(SELECT (m.token).identity_id FROM unnest(mints) m WHERE m.grounds ? 'identity'))
      ORDER BY s.id FOR KEY SHARE;
    SELECT jsonb_object_agg(i.id, identity_grounds(organization, i.id)) INTO identities
      FROM (SELECT DISTINCT (m.token).identity_id AS id FROM unnest(mints) m WHERE m.grounds ? 'identity') i;
  END IF;
  IF needs.roles THEN
    held_roles := ARRAY(
      SELECT r.id || ' ' || m.user_id FROM roles r JOIN memberships m ON m.organization_id = r.organization_id AND m.role_id = r.id
      WHERE r.organization_id = organization AND r.deleted_at IS NULL AND m.removed_at IS NULL
        AND (r.id, m.user_id) IN (SELECT (n.token).role_id, (n.grounds ->> 'roleOf')::uuid FROM unnest(mints) n WHERE n.grounds ? 'roleOf')
      ORDER BY r.id FOR KEY SHARE OF r);
  END IF;
  IF needs.parents THEN
    parent_ids := ARRAY(
      SELECT t.id FROM api_tokens t
      WHERE t.organization_id = organization AND t.id = ANY (ARRAY(SELECT (m.token).parent_id FROM unnest(mints) m)) AND t.revoked_at IS NULL
      ORDER BY t.id FOR SHARE);
  END IF;

  outcomes := ARRAY(
    SELECT CASE
      WHEN m.policies <> binding -> coalesce((m.token).sub_organization_id::text, '')
        THEN jsonb_build_object('outcome', 'policies-changed', 'policies', binding -> coalesce((m.token).sub_organization_id::text, ''))
      WHEN (m.token).environment IS NOT NULL AND coalesce(cardinality(m.project_ids), 1) > (
          SELECT count(*) FROM environments e
          WHERE e.organization_id = organization AND e.id = ANY (environment_ids) AND e.key = (m.token).environment
            AND (m.project_ids IS NULL OR e.project_id = ANY (m.project_ids)))
        THEN jsonb_build_object('outcome', 'environment-gone')
      WHEN NOT m.project_ids <@ held_ids THEN jsonb_build_object('outcome', 'project-gone', 'held_ids', held_ids)
      WHEN m.grounds ? 'identity' AND identities -> (m.token).identity_id::text IS DISTINCT FROM m.grounds -> 'identity'
        OR m.grounds ? 'roleOf' AND ((m.token).role_id || ' ' || (m.grounds ->> 'roleOf') = ANY (held_roles)) IS NOT TRUE
        THEN jsonb_build_object('outcome', 'grounds-changed')
      WHEN (m.token).parent_id IS NOT NULL AND (m.token).parent_id <> ALL (parent_ids) THEN jsonb_build_object('outcome', 'parent-ended')
    END
    FROM unnest(mints) WITH ORDINALITY m ORDER BY m.ordinality);
  IF needs.room THEN
    live := hold_live_tokens(organization, needs.moment);
    FOR place IN 1 .. cardinality(mints) LOOP
      CONTINUE WHEN outcomes[place] IS NOT NULL;
      IF live + 1 > mints[place].active_tokens_max THEN
        outcomes[place] := jsonb_build_object('outcome', 'no-room');
      ELSE
        live := live + 1;
      END IF;
    END LOOP;
  END IF;
  mints := ARRAY(SELECT mints[place] FROM generate_subscripts(mints, 1) AS place WHERE outcomes[place] IS NULL);

  IF needs.logins THEN
    -- Where somebody else is about to write that there was a login, there was one.
    UPDATE machine_identities i
    SET last_login_at = login.moment, last_login_method = login.method
    FROM (
      SELECT DISTINCT ON ((m.token).identity_id) (m.token).identity_id, (m.token).created_at AS moment,
        CASE WHEN (m.token).client_secret_id IS NULL THEN 'token-auth' ELSE 'universal-auth' END AS method
      FROM unnest(mints) WITH ORDINALITY m WHERE (m.token).identity_id IS NOT NULL ORDER BY (m.token).identity_id, m.ordinality DESC
    ) login
    CROSS JOIN LATERAL (SELECT o.id FROM machine_identities o WHERE o.organization_id = organization AND o.id = login.identity_id FOR NO KEY UPDATE SKIP LOCKED) free
    WHERE i.organization_id = organization AND i.id = free.id AND i.last_login_at IS DISTINCT FROM login.moment;
  END IF;
  INSERT INTO api_tokens (organization_id, id, short_id, number, kind, name, description, user_id, project_id, identity_id, parent_id, client_secret_id,
      sub_organization_id, permissions, role_id, all_projects, environment, hint, allowed_addresses, ttl_seconds, max_ttl_seconds, expires_at, uses_limit,
      created_at, created_by, updated_at, attributes)
    SELECT t.organization_id, t.id, t.short_id, t.number, t.kind, t.name, t.description, t.user_id, t.project_id, t.identity_id, t.parent_id, t.client_secret_id,
      t.sub_organization_id, t.permissions, t.role_id, t.all_projects, t.environment, t.hint, t.allowed_addresses, t.ttl_seconds, t.max_ttl_seconds, t.expires_at,
      t.uses_limit, t.created_at, t.created_by, t.created_at, t.attributes
    FROM unnest(mints) m CROSS JOIN LATERAL (SELECT (m.token).*) t;
  INSERT INTO token_secrets (secret_hash, pepper_id, organization_id, token_id, created_at, hint)
    SELECT decode(m.secret_hash, 'hex'), m.pepper_id, organization, (m.token).id, (m.token).created_at, (m.token).hint FROM unnest(mints) m;
  IF needs.projects THEN
    INSERT INTO token_projects (organization_id, token_id, project_id, environment_id)
      SELECT organization, (m.token).id, linked.id, e.id
      FROM unnest(mints) m CROSS JOIN LATERAL unnest(m.project_ids) AS linked (id)
      LEFT JOIN environments e ON e.organization_id = organization AND e.project_id = linked.id AND e.key = (m.token).environment AND e.id = ANY (environment_ids);
  END IF;
  INSERT INTO audit_events SELECT (m.event).* FROM unnest(mints) m;
  RETURN array_replace(outcomes, NULL, jsonb_build_object('outcome', 'minted', 'followed', followed));
END
$$;

CREATE OR REPLACE FUNCTION mint_token(mint jsonb) RETURNS jsonb LANGUAGE sql AS $$
  SELECT (mint_in_organization((mint -> 'token' ->> 'organization_id')::uuid, ARRAY[jsonb_populate_record(NULL::token_mint, mint)]))[1]
$$;

-- Tokens of any organizations in one transaction: the outcome of each in their order. In the order of the organizations, so that
-- no two of these wait for each other. Waits no longer than that for what others hold; NULL: as long as usual.
CREATE OR REPLACE FUNCTION mint_tokens(mints jsonb, patience text) RETURNS SETOF jsonb LANGUAGE plpgsql AS $$
DECLARE
  outcomes jsonb[];
  own record;
  own_outcomes jsonb[];
BEGIN
  PERFORM set_config('lock_timeout', coalesce(patience, current_setting('lock_timeout')), true);
  FOR own IN
    SELECT (m.mint -> 'token' ->> 'organization_id')::uuid AS organization, array_agg(m.place ORDER BY m.place) AS places,
      array_agg(jsonb_populate_record(NULL::token_mint, m.mint) ORDER BY m.place) AS mints
    FROM jsonb_array_elements(mints) WITH ORDINALITY AS m (mint, place) GROUP BY 1 ORDER BY 1
  LOOP
    PERFORM set_config('gatehouse.organization_id', own.organization::text, true);
    own_outcomes := mint_in_organization(own.organization, own.mints);
    FOR place IN 1 .. cardinality(own.places) LOOP
      outcomes[own.places[place]] := own_outcomes[place];
    END LOOP;
  END LOOP;
  PERFORM set_config('gatehouse.organization_id', '', true);
  RETURN QUERY SELECT unnest(outcomes);
END
$$;

-- Once for all events that one statement writes, in the order in which it writes them.
CREATE OR REPLACE FUNCTION await_sealing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO unsealed_audit_events (organization_id, event_id) SELECT w.organization_id, w.id FROM written w;
  RETURN NULL;
END
$$;
DROP TRIGGER audit_events_await_sealing ON audit_events;
CREATE TRIGGER audit_events_await_sealing AFTER INSERT ON audit_events REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION await_sealing();
