-- The first answer to a request with an Idempotency-Key, for whoever repeats it. Sealed: it may hold a secret.
CREATE TABLE kept_answers (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  -- SHA-256 of the caller and the key.
  locator bytea NOT NULL CHECK (octet_length(locator) = 32),
  expires_at timestamptz(6) NOT NULL,
  sealing_key_id text NOT NULL,
  sealed_answer bytea NOT NULL,
  PRIMARY KEY (organization_id, locator)
);
CREATE INDEX kept_answers_by_expiry ON kept_answers (organization_id, expires_at);
ALTER TABLE kept_answers ENABLE ROW LEVEL SECURITY;
ALTER TABLE kept_answers FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON kept_answers USING (organization_id = current_organization_id())
  WITH CHECK (organization_id = current_organization_id());
GRANT SELECT, INSERT, UPDATE, DELETE ON kept_answers TO gatehouse_app;
