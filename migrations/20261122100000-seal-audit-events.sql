-- Values before and after a change; NULL where a happening changes none.
ALTER TABLE audit_events ADD COLUMN before jsonb, ADD COLUMN after jsonb;

CREATE INDEX audit_events_by_action ON audit_events (organization_id, action, occurred_at, id);
CREATE INDEX audit_events_by_actor ON audit_events (organization_id, actor_id, occurred_at, id) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_events_by_target ON audit_events (organization_id, target_id, occurred_at, id) WHERE target_id IS NOT NULL;

-- Events in the order they were written, until the sealer has chained them. Chaining within the change itself would let
-- an organization make one change at a time.
CREATE TABLE unsealed_audit_events (
  organization_id uuid NOT NULL,
  position bigint GENERATED ALWAYS AS IDENTITY,
  event_id uuid NOT NULL,
  -- No foreign key: the trigger below writes it with the event itself, and every change would pay for the check.
  PRIMARY KEY (organization_id, position)
);

-- What was recorded before is chained too. Forced row-level security binds the owner as well, so it rests for one statement.
ALTER TABLE audit_events NO FORCE ROW LEVEL SECURITY;
INSERT INTO unsealed_audit_events (organization_id, event_id) SELECT organization_id, id FROM audit_events ORDER BY occurred_at, id;
ALTER TABLE audit_events FORCE ROW LEVEL SECURITY;

CREATE FUNCTION await_sealing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO unsealed_audit_events (organization_id, event_id) VALUES (NEW.organization_id, NEW.id);
  RETURN NULL;
END
$$;
CREATE TRIGGER audit_events_await_sealing AFTER INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION await_sealing();

-- The chain: gapless from 1 in each organization, each hash made of the one before and the event.
CREATE TABLE audit_links (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  sequence bigint NOT NULL CHECK (sequence > 0),
  event_id uuid NOT NULL,
  hash bytea NOT NULL CHECK (octet_length(hash) = 32),
  PRIMARY KEY (organization_id, sequence),
  UNIQUE (organization_id, event_id),
  FOREIGN KEY (organization_id, event_id) REFERENCES audit_events (organization_id, id)
);

-- Signed by the service: these links, from the first to the last, are the ones it made. The ranges meet without a gap.
CREATE TABLE audit_checkpoints (
  organization_id uuid NOT NULL,
  sequence bigint NOT NULL,
  first_sequence bigint NOT NULL CHECK (first_sequence BETWEEN 1 AND sequence),
  hash bytea NOT NULL CHECK (octet_length(hash) = 32),
  signed_at timestamptz(6) NOT NULL,
  key_id text NOT NULL REFERENCES signing_keys (id),
  signature bytea NOT NULL CHECK (octet_length(signature) = 64),
  PRIMARY KEY (organization_id, sequence),
  FOREIGN KEY (organization_id, sequence) REFERENCES audit_links (organization_id, sequence)
);

DO $$
DECLARE
  tenant_table text;
BEGIN
  FOREACH tenant_table IN ARRAY ARRAY['unsealed_audit_events', 'audit_links', 'audit_checkpoints']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('CREATE POLICY own_organization ON %I USING (organization_id = current_organization_id())
      WITH CHECK (organization_id = current_organization_id())', tenant_table);
  END LOOP;
END
$$;

-- The sealer learns where something waits, and nothing of what.
CREATE POLICY sealing ON unsealed_audit_events FOR SELECT USING (current_setting('gatehouse.sealing', true) = 'on');
-- Where a login of somebody unknown is recorded.
CREATE POLICY seeking_platform ON organizations FOR SELECT
  USING (platform AND current_setting('gatehouse.seeking_platform', true) = 'on');

-- Append-only for the service.
GRANT SELECT, INSERT ON audit_links, audit_checkpoints TO gatehouse_app;
GRANT SELECT, INSERT, DELETE ON unsealed_audit_events TO gatehouse_app;

CREATE FUNCTION organizations_to_seal() RETURNS TABLE (organization_id uuid) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  previous_sealing text := current_setting('gatehouse.sealing', true);
BEGIN
  PERFORM set_config('gatehouse.sealing', 'on', true);
  RETURN QUERY SELECT DISTINCT u.organization_id FROM unsealed_audit_events u;
  PERFORM set_config('gatehouse.sealing', coalesce(previous_sealing, ''), true);
END
$$;

-- Whose login failed, NULL for somebody unknown; and where that is recorded: in the organization they asked for (id or
-- slug) if they belong to it, else in the first they joined, else in the platform's. The same steps whoever it was.
CREATE FUNCTION failed_login_facts(address text, asked text) RETURNS TABLE (user_id uuid, organization_id uuid) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  previous_user_id text := current_setting('gatehouse.user_id', true);
  previous_seeking_platform text := current_setting('gatehouse.seeking_platform', true);
  person uuid;
  own uuid;
  platforms uuid;
BEGIN
  SELECT u.id INTO person FROM users u WHERE u.email_canonical = address;
  PERFORM set_config('gatehouse.user_id', coalesce(person::text, ''), true);
  SELECT m.organization_id INTO own
  FROM memberships m JOIN organizations o ON o.id = m.organization_id
  WHERE m.user_id = person
  ORDER BY coalesce(o.id::text = asked OR o.slug = asked, false) DESC, m.created_at, m.id
  LIMIT 1;
  PERFORM set_config('gatehouse.user_id', coalesce(previous_user_id, ''), true);
  PERFORM set_config('gatehouse.seeking_platform', 'on', true);
  SELECT o.id INTO platforms FROM organizations o WHERE o.platform;
  PERFORM set_config('gatehouse.seeking_platform', coalesce(previous_seeking_platform, ''), true);
  RETURN QUERY SELECT person, coalesce(own, platforms) WHERE coalesce(own, platforms) IS NOT NULL;
END
$$;
