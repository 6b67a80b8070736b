ALTER TABLE api_tokens
  -- Whatever its owner writes beside it; nothing in here is ever enforced.
  ADD COLUMN metadata jsonb NOT NULL DEFAULT '{}',
  -- The token whose end took this one along; NULL for one that was ended itself.
  ADD COLUMN revoked_with uuid,
  -- The name as lists are sorted by it, alike on every database.
  ADD COLUMN name_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (left(lower(coalesce(name, '')), 100)) STORED,
  -- A token outlives the row of the one it was minted with.
  DROP CONSTRAINT api_tokens_organization_id_parent_id_fkey,
  ADD FOREIGN KEY (organization_id, parent_id) REFERENCES api_tokens (organization_id, id) ON DELETE SET NULL (parent_id);

-- One index for each way to sort the inventory. CASE instead of coalesce: row-level security lets no other expression
-- be answered by an index.
CREATE INDEX api_tokens_by_expiry ON api_tokens
  (organization_id, (CASE WHEN expires_at IS NULL THEN timestamptz 'infinity' ELSE expires_at END), id);
CREATE INDEX api_tokens_by_last_use ON api_tokens
  (organization_id, (CASE WHEN last_used_at IS NULL THEN timestamptz '-infinity' ELSE last_used_at END), id);
CREATE INDEX api_tokens_by_name ON api_tokens (organization_id, name_key, id);
