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
