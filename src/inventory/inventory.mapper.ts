import { Instant } from '../kernel/instant.js';
import type { Range, TokenFilter } from '../tokens/token-filter.js';
import type { TokenSort } from '../tokens/token-sort.js';
import type { Token, TokenChange } from '../tokens/token.js';
import { stateOf } from '../tokens/token-state.js';
import type { InventoryToken, TokenQuery } from './inventory.dto.js';
import type { ChangeToken } from './token-change.dto.js';
import type { InventoryFilter } from './token-filter.dto.js';

export function toInventoryToken(token: Token, now: Instant): InventoryToken {
  const state = stateOf(token, now);
  return {
    id: token.id,
    kind: token.kind,
    name: token.name,
    description: token.description,
    owner_id: token.ownerId,
    projects: [...token.projects],
    environment: token.environment,
    permissions: token.permissions && [...token.permissions],
    allowed_addresses: token.allowedAddresses && [...token.allowedAddresses],
    metadata: token.metadata,
    state,
    block_reason: state === 'blocked' ? token.blockReason : null,
    hint: token.hint,
    created_at: token.createdAt.toRfc3339(),
    created_by: token.createdBy,
    parent_id: token.parentId,
    updated_at: token.updatedAt.toRfc3339(),
    expires_at: token.expiresAt?.toRfc3339() ?? null,
    last_used_at: token.lastUsedAt?.toRfc3339() ?? null,
    last_used_ip: token.lastUsedIp,
    last_used_user_agent: token.lastUsedUserAgent,
    use_count: token.useCount,
    pending_rotation: token.pendingRotation && {
      since: token.pendingRotation.since.toRfc3339(),
      hint: token.pendingRotation.hint,
      overlap_seconds: token.pendingRotation.overlapSeconds,
    },
    rotated_at: token.rotatedAt?.toRfc3339() ?? null,
    rotation_interval_days: token.rotationIntervalDays,
    rotation_due_at: token.rotationDueAt?.toRfc3339() ?? null,
    reuse_detected_at: token.reuseDetectedAt?.toRfc3339() ?? null,
    revoked_at: token.revokedAt?.toRfc3339() ?? null,
    revoked_by: token.revokedBy,
    revocation_reason: token.revocationReason,
    exposed: token.exposed,
    exposed_at: token.exposedAt?.toRfc3339() ?? null,
    revoked_with: token.revokedWith,
  };
}

export function toSort({ sort = 'created_at', direction }: TokenQuery): TokenSort {
  const { key, descending } = SORT_OF[sort];
  return { key, descending: direction === undefined ? descending : direction === 'desc' };
}

const SORT_OF = {
  created_at: { key: 'createdAt', descending: true },
  expires_at: { key: 'expiresAt', descending: false },
  last_used_at: { key: 'lastUsedAt', descending: true },
  name: { key: 'name', descending: false },
} as const;

export function toTokenFilter(filter: InventoryFilter): TokenFilter {
  return {
    kind: filter.kind,
    ownerId: filter.owner_id,
    createdBy: filter.created_by,
    project: filter.project,
    environment: filter.environment,
    state: filter.state,
    permission: filter.permission,
    created: toRange(filter.created_after, filter.created_before),
    expires: toRange(filter.expires_after, filter.expires_before),
    lastUsed: toRange(filter.last_used_after, filter.last_used_before),
    unusedSince: toInstant(filter.unused_since),
    text: filter.q,
  };
}

function toRange(from: string | undefined, before: string | undefined): Range {
  return { from: toInstant(from), before: toInstant(before) };
}

function toInstant(text: string | undefined): Instant | undefined {
  return text === undefined ? undefined : (Instant.parse(text) ?? undefined);
}

export function toChange(body: ChangeToken): TokenChange {
  const { name, description, metadata, permissions, expires_at: expiresAt, allowed_addresses: allowedAddresses } = body;
  return {
    name,
    description,
    metadata,
    permissions: permissions && [...new Set(permissions)].sort(),
    expiresAt: expiresAt === null ? null : toInstant(expiresAt),
    allowedAddresses: allowedAddresses && [...new Set(allowedAddresses)],
    rotationIntervalDays: body.rotation_interval_days,
  };
}
