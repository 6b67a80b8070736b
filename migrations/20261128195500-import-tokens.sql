-- Tokens whose secrets were drawn elsewhere, and are known by a hash alone until they are first used. Until then nothing
-- hashes to secret_hash, which holds random bytes. It stays known afterwards which secrets these are: they carry no
-- checksum of ours. One secret may be imported by several organizations: to each of them the others' rows are not there.
ALTER TABLE token_secrets ADD COLUMN imported_hash bytea CHECK (octet_length(imported_hash) = 32);
CREATE UNIQUE INDEX token_secrets_imported ON token_secrets (imported_hash, organization_id) WHERE imported_hash IS NOT NULL;
CREATE POLICY presented_import ON token_secrets FOR SELECT USING (imported_hash = ANY (presented_hashes()));

-- The installation's own: the beginnings of all those hashes, and nothing of whose they are, so that every process can
-- tell what may be such a secret from what cannot, without a query.
CREATE TABLE imported_fingerprints (
  fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 6),
  -- Readers ask for what was committed since a snapshot, as with invalidations.
  xid xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX imported_fingerprints_by_value ON imported_fingerprints (fingerprint);
CREATE INDEX imported_fingerprints_by_xid ON imported_fingerprints (xid);
GRANT SELECT, INSERT, DELETE ON imported_fingerprints TO gatehouse_app;

-- Keeps the fingerprints as the secrets are, and announces new ones, once in a transaction, under an id that is nothing's.
CREATE FUNCTION note_imported_secret() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' AND OLD.imported_hash IS NOT NULL THEN
    -- One of them: another organization may have imported the same secret.
    DELETE FROM imported_fingerprints
     WHERE ctid = (SELECT ctid FROM imported_fingerprints WHERE fingerprint = substring(OLD.imported_hash FOR 6) LIMIT 1);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO imported_fingerprints (fingerprint) VALUES (substring(NEW.imported_hash FOR 6));
    IF current_setting('gatehouse.import_announced', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
      PERFORM invalidate('00000000-0000-0000-0000-000000000000', NULL);
      PERFORM set_config('gatehouse.import_announced', pg_current_xact_id()::text, true);
    END IF;
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER note_imported AFTER INSERT ON token_secrets FOR EACH ROW WHEN (NEW.imported_hash IS NOT NULL) EXECUTE FUNCTION note_imported_secret();
CREATE TRIGGER note_imported_anew AFTER UPDATE OF imported_hash ON token_secrets FOR EACH ROW
  WHEN (OLD.imported_hash IS DISTINCT FROM NEW.imported_hash) EXECUTE FUNCTION note_imported_secret();
CREATE TRIGGER note_imported_gone AFTER DELETE ON token_secrets FOR EACH ROW WHEN (OLD.imported_hash IS NOT NULL) EXECUTE FUNCTION note_imported_secret();
