ALTER TABLE token_secrets
  -- When somebody first reported that this secret stands where others can read it. A token that a policy lets go on is
  -- exposed for as long as such a secret opens it.
  ADD COLUMN exposed_at timestamptz(6);
CREATE INDEX token_secrets_exposed ON token_secrets (organization_id, token_id) WHERE exposed_at IS NOT NULL;
