-- What waits to be sealed is noted once for each statement that has written events, not for each event. It refers to the
-- organization, and a checkpoint does so later: events and links need not, each for itself.
ALTER TABLE unsealed_audit_events NO FORCE ROW LEVEL SECURITY;
ALTER TABLE unsealed_audit_events ADD COLUMN event_ids uuid[];
UPDATE unsealed_audit_events SET event_ids = ARRAY[event_id];
-- A sealer of the version before fails without it, and leaves what waits to others.
ALTER TABLE unsealed_audit_events DROP COLUMN event_id, ALTER COLUMN event_ids SET NOT NULL, ADD FOREIGN KEY (organization_id) REFERENCES organizations (id);
ALTER TABLE unsealed_audit_events FORCE ROW LEVEL SECURITY;

CREATE OR REPLACE FUNCTION await_sealing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Events in the order in which the statement has written them.
  INSERT INTO unsealed_audit_events (organization_id, event_ids)
    SELECT own.organization_id, ARRAY(SELECT w.id FROM written w WHERE w.organization_id = own.organization_id)
    FROM (SELECT DISTINCT organization_id FROM written) own;
  RETURN NULL;
END
$$;

ALTER TABLE audit_checkpoints ADD FOREIGN KEY (organization_id) REFERENCES organizations (id);
ALTER TABLE audit_links DROP CONSTRAINT audit_links_organization_id_fkey, DROP CONSTRAINT audit_links_organization_id_event_id_fkey;
-- An id is looked for within its organization alone.
ALTER TABLE audit_events DROP CONSTRAINT audit_events_organization_id_fkey, DROP CONSTRAINT audit_events_pkey, DROP CONSTRAINT audit_events_organization_id_id_key,
  ADD PRIMARY KEY (organization_id, id);

-- Nobody changes the record by mistake. What is done to it on purpose, an export shows.
CREATE FUNCTION refuse_to_change_the_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is only added to', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_record();
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_links FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_record();
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_record();
