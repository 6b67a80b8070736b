import type { Instant } from '../kernel/instant.js';
import { toCursorText } from '../kernel/page.js';
import type { Token } from '../tokens/token.js';
import { stateOf } from '../tokens/token-state.js';
import type { InventoryPage, InventoryToken } from './inventory.dto.js';

export function toInventoryToken(token: Token, now: Instant): InventoryToken {
  return {
    id: token.id,
    kind: token.kind,
    name: token.name,
    description: token.description,
    owner_id: token.ownerId,
    projects: [...token.projects],
    environment: token.environment,
    permissions: token.permissions && [...token.permissions],
    state: stateOf(token, now),
    hint: token.hint,
    created_at: token.createdAt.toRfc3339(),
    created_by: token.createdBy,
    expires_at: token.expiresAt?.toRfc3339() ?? null,
    last_used_at: token.lastUsedAt?.toRfc3339() ?? null,
    last_used_ip: token.lastUsedIp,
    use_count: token.useCount,
    revoked_at: token.revokedAt?.toRfc3339() ?? null,
    revoked_by: token.revokedBy,
    revocation_reason: token.revocationReason,
  };
}

/** `tokens` holds one more than the page where there is a next one. */
export function toInventoryPage(tokens: readonly Token[], limit: number, now: Instant): InventoryPage {
  const page = tokens.slice(0, limit);
  const last = page.at(-1);
  return {
    data: page.map((token) => toInventoryToken(token, now)),
    next_cursor: last && tokens.length > limit ? toCursorText({ at: last.createdAt, id: last.id }) : null,
  };
}
