-- What clean-up looks for; each is read in the order in which it ends.
CREATE INDEX api_tokens_by_revocation ON api_tokens (organization_id, revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX api_tokens_by_parent ON api_tokens (organization_id, parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX sessions_by_end ON sessions (organization_id, expires_at);
CREATE INDEX refresh_tokens_by_end ON refresh_tokens (organization_id, expires_at);
CREATE INDEX invitations_by_end ON invitations (organization_id, expires_at);
CREATE INDEX client_lockouts_by_end ON client_lockouts (organization_id, expires_at);
