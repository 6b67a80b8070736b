ALTER TABLE api_tokens
  -- When somebody first reported that the secret stands where others can read it.
  ADD COLUMN exposed_at timestamptz(6);
CREATE INDEX api_tokens_exposed ON api_tokens (organization_id, exposed_at) WHERE exposed_at IS NOT NULL;
