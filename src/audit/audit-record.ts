import { canonicalJson } from './audit-chain.js';
import type { AuditEvent } from './audit-event.entity.js';

/** An event as it reads everywhere outside: in a list, in an export, and in what its hash is made of. */
export interface AuditRecord {
  readonly id: string;
  readonly organization_id: string;
  /** RFC 3339 in UTC, with six digits of fraction. */
  readonly occurred_at: string;
  readonly action: string;
  readonly actor_kind: string;
  readonly actor_id: string | null;
  readonly credential_kind: string | null;
  readonly credential_id: string | null;
  readonly target_kind: string;
  readonly target_id: string | null;
  readonly details: object;
  readonly before: object | null;
  readonly after: object | null;
  readonly ip: string | null;
  readonly user_agent: string | null;
  readonly request_id: string | null;
}

/** Fields in the order in which exports show them; the type makes it complete. */
const FIELDS: Record<keyof AuditRecord, true> = {
  id: true,
  organization_id: true,
  occurred_at: true,
  action: true,
  actor_kind: true,
  actor_id: true,
  credential_kind: true,
  credential_id: true,
  target_kind: true,
  target_id: true,
  details: true,
  before: true,
  after: true,
  ip: true,
  user_agent: true,
  request_id: true,
};
export const RECORD_FIELDS = Object.keys(FIELDS) as readonly (keyof AuditRecord)[];
/** Sorted once for all records. */
const SPELT_FIELDS = RECORD_FIELDS.toSorted().map((field, place) => [field, `${place === 0 ? '{' : ','}"${field}":`] as const);

/** The canonical JSON of the record; throws as `canonicalJson` does. */
export function spell(record: AuditRecord): string {
  let text = '';
  for (const [field, before] of SPELT_FIELDS) {
    const value = record[field];
    text += before + (value === null ? 'null' : canonicalJson(value));
  }
  return `${text}}`;
}

export function toRecord(event: AuditEvent): AuditRecord {
  return {
    id: event.id,
    organization_id: event.organizationId,
    occurred_at: event.occurredAt.toRfc3339(6),
    action: event.action,
    actor_kind: event.actorKind,
    actor_id: event.actorId,
    credential_kind: event.credentialKind,
    credential_id: event.credentialId,
    target_kind: event.targetKind,
    target_id: event.targetId,
    details: event.details,
    before: event.before,
    after: event.after,
    ip: event.ip,
    user_agent: event.userAgent,
    request_id: event.requestId,
  };
}
