import { Injectable } from '@nestjs/common';
import { And, In, LessThanOrEqual, MoreThan, type SelectQueryBuilder } from 'typeorm';
import { Database, type Tenant } from '../kernel/database/database.js';
import type { Instant } from '../kernel/instant.js';
import type { Cursor } from '../kernel/page.js';
import { AuditCheckpoint, AuditLink } from './audit-chain.entity.js';
import type { CheckpointStatement } from './audit-chain.js';
import { AuditEvent } from './audit-event.entity.js';
import { toRecord, type AuditRecord } from './audit-record.js';

export interface AuditFilter {
  readonly action?: string;
  readonly actorId?: string;
  readonly targetKind?: string;
  readonly targetId?: string;
  /** Inclusive. */
  readonly from?: Instant;
  /** Exclusive. */
  readonly to?: Instant;
}

/** An event, and its place in the chain once it has one. */
export interface TrailEntry {
  readonly place: Cursor;
  readonly record: AuditRecord;
  readonly link: { readonly sequence: number; readonly hash: string } | null;
}

/** A link of the chain; its event is null where somebody has deleted it. */
export interface LinkedEvent {
  readonly sequence: number;
  readonly hash: string;
  readonly eventId: string;
  readonly record: AuditRecord | null;
}

export interface SignedCheckpoint {
  readonly statement: CheckpointStatement;
  readonly keyId: string;
  readonly signature: Buffer;
}

/** Links that follow one another, and the checkpoints that end within them. */
export interface Stretch {
  readonly links: readonly LinkedEvent[];
  readonly checkpoints: readonly SignedCheckpoint[];
}

/** Reads what was recorded, of one organization at a time. */
@Injectable()
export class AuditTrail {
  constructor(private readonly database: Database) {}

  /** Newest first. */
  list(organizationId: string, filter: AuditFilter, { limit, after }: { limit: number; after: Cursor | null }): Promise<TrailEntry[]> {
    return this.database.readInOrganization(organizationId, async (tenant) => {
      const query = tenant.manager.createQueryBuilder(AuditEvent, 'e').where('e.organizationId = :organizationId', { organizationId });
      narrow(query, filter);
      if (after) query.andWhere('(e.occurredAt, e.id) < (:at, :id)', { at: after.at.toPostgres(), id: after.id });
      const events = await query.orderBy('e.occurredAt', 'DESC').addOrderBy('e.id', 'DESC').limit(limit).getMany();
      const links = await this.linksOf(tenant, events);
      return events.map((event) => ({ place: { at: event.occurredAt, id: event.id }, record: toRecord(event), link: links.get(event.id) ?? null }));
    });
  }

  /** The last sequence number that any link or checkpoint names; 0 before the first. */
  lastSequence(organizationId: string): Promise<number> {
    return this.database.inOrganization(organizationId, async ({ manager }) => {
      const [row] = await manager.query<{ last: string }[]>(
        `SELECT greatest((SELECT max(sequence) FROM audit_links WHERE organization_id = $1),
                         (SELECT max(sequence) FROM audit_checkpoints WHERE organization_id = $1), 0) AS last`,
        [organizationId],
      );
      return Number(row?.last ?? 0);
    });
  }

  /** Ids of the keys that checkpoints are signed with. */
  signingKeyIds(organizationId: string): Promise<readonly string[]> {
    return this.database.readInOrganization(organizationId, async ({ manager }) => {
      const rows = await manager.query<{ key_id: string }[]>('SELECT DISTINCT key_id FROM audit_checkpoints WHERE organization_id = $1 ORDER BY key_id', [organizationId]);
      return rows.map((row) => row.key_id);
    });
  }

  /** At most so many links, oldest first, behind one sequence number and up to another; and the checkpoints up to where they end. */
  stretch(organizationId: string, { after, upTo, limit }: { after: number; upTo: number; limit: number }): Promise<Stretch> {
    return this.database.readInOrganization(organizationId, async ({ manager }) => {
      const within = (last: number) => And(MoreThan(String(after)), LessThanOrEqual(String(last)));
      const links = await manager.find(AuditLink, { where: { organizationId, sequence: within(upTo) }, order: { sequence: 'ASC' }, take: limit });
      const end = links.length < limit ? upTo : Number(links.at(-1)?.sequence ?? upTo);
      const checkpoints = await manager.find(AuditCheckpoint, { where: { organizationId, sequence: within(end) }, order: { sequence: 'ASC' } });
      const found = links.length === 0 ? [] : await manager.findBy(AuditEvent, { organizationId, id: In(links.map(({ eventId }) => eventId)) });
      const events = new Map(found.map((event) => [event.id, toRecord(event)]));
      return {
        links: links.map((link) => ({ ...toPlace(link), eventId: link.eventId, record: events.get(link.eventId) ?? null })),
        checkpoints: checkpoints.map(toSignedCheckpoint),
      };
    });
  }

  private async linksOf({ organizationId, manager }: Tenant, events: readonly AuditEvent[]): Promise<ReadonlyMap<string, { sequence: number; hash: string }>> {
    if (events.length === 0) return new Map();
    const links = await manager.findBy(AuditLink, { organizationId, eventId: In(events.map(({ id }) => id)) });
    return new Map(links.map((link) => [link.eventId, toPlace(link)]));
  }
}

function narrow(query: SelectQueryBuilder<AuditEvent>, { action, actorId, targetKind, targetId, from, to }: AuditFilter): void {
  if (action !== undefined) query.andWhere('e.action = :action', { action });
  if (actorId !== undefined) query.andWhere('e.actorId = :actorId', { actorId });
  if (targetKind !== undefined) query.andWhere('e.targetKind = :targetKind', { targetKind });
  if (targetId !== undefined) query.andWhere('e.targetId = :targetId', { targetId });
  if (from !== undefined) query.andWhere('e.occurredAt >= :from', { from: from.toPostgres() });
  if (to !== undefined) query.andWhere('e.occurredAt < :to', { to: to.toPostgres() });
}

function toPlace({ sequence, hash }: AuditLink): { sequence: number; hash: string } {
  return { sequence: Number(sequence), hash: hash.toString('hex') };
}

function toSignedCheckpoint({ organizationId, firstSequence, sequence, hash, signedAt, keyId, signature }: AuditCheckpoint): SignedCheckpoint {
  const statement: CheckpointStatement = {
    type: 'checkpoint',
    organization_id: organizationId,
    first_sequence: Number(firstSequence),
    sequence: Number(sequence),
    hash: hash.toString('hex'),
    signed_at: signedAt.toRfc3339(6),
  };
  return { statement, keyId, signature };
}
