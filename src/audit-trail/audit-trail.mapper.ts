import type { LinkedEvent, SignedCheckpoint, TrailEntry } from '../audit/audit-trail.js';
import type { CheckpointLine, EventLine } from '../audit/export-lines.js';
import { toCursorText } from '../kernel/page.js';
import type { AuditEventPage, AuditEventView } from './audit-trail.dto.js';

export function toEventView({ record, link }: TrailEntry): AuditEventView {
  return {
    id: record.id,
    organization_id: record.organization_id,
    occurred_at: record.occurred_at,
    action: record.action,
    actor_kind: record.actor_kind,
    actor_id: record.actor_id,
    credential_kind: record.credential_kind,
    credential_id: record.credential_id,
    target_kind: record.target_kind,
    target_id: record.target_id,
    details: record.details,
    before: record.before,
    after: record.after,
    ip: record.ip,
    user_agent: record.user_agent,
    request_id: record.request_id,
    sequence: link?.sequence ?? null,
    hash: link?.hash ?? null,
  };
}

/** `entries` holds one more than the page where there is a next one. */
export function toEventPage(entries: readonly TrailEntry[], limit: number): AuditEventPage {
  const page = entries.slice(0, limit);
  const last = page.at(-1);
  return { data: page.map(toEventView), next_cursor: last && entries.length > limit ? toCursorText(last.place) : null };
}

export function toEventLine({ sequence, hash, eventId, record }: LinkedEvent): EventLine {
  return { type: 'event', sequence, hash, event_id: eventId, event: record && { ...record } };
}

export function toCheckpointLine({ statement, keyId, signature }: SignedCheckpoint): CheckpointLine {
  return { ...statement, key_id: keyId, signature: signature.toString('base64url') };
}
