import { Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { Background } from '../kernel/background.js';
import type { Clock } from '../kernel/clock.js';
import type { Database, Tenant } from '../kernel/database/database.js';
import type { Instant } from '../kernel/instant.js';
import { AuditCheckpoint, AuditLink } from './audit-chain.entity.js';
import { canonicalJson, CHAIN_START, linkHash, type CheckpointStatement } from './audit-chain.js';
import { RECORD_FIELDS, spell, type AuditRecord } from './audit-record.js';
import type { SpeltEvents } from './spelt-events.js';

const SEAL_EVERY_MS = 500;
/** Enough for one transaction; what one statement has written is not divided. */
const BATCH = 1_000;
/** The first half of an advisory lock; the second is made of the organization. */
const SEALING_LOCK = 471_121;

/** The next statements that wrote events, in their order, until they have written enough. */
const NEXT = `SELECT position, event_ids
  FROM (
    SELECT position, event_ids, sum(cardinality(event_ids)) OVER (ORDER BY position) - cardinality(event_ids) AS before
    FROM (SELECT position, event_ids FROM unsealed_audit_events WHERE organization_id = $1 ORDER BY position LIMIT $2) waiting
  ) waiting
  WHERE before < $2 ORDER BY position`;
const EVENTS = `SELECT ${RECORD_FIELDS.filter((field) => field !== 'organization_id').join(', ')} FROM audit_events WHERE organization_id = $1 AND id = ANY ($2::uuid[])`;
/** Hashes of 32 bytes, one behind the other. */
const LINK = `INSERT INTO audit_links (organization_id, sequence, event_id, hash)
  SELECT $1, $2::bigint + place, event_id, substr($4::bytea, (place::integer - 1) * 32 + 1, 32) FROM unnest($3::uuid[]) WITH ORDINALITY AS link (event_id, place)`;
const SEALED = 'DELETE FROM unsealed_audit_events WHERE organization_id = $1 AND position = ANY ($2::bigint[])';

/** What signs for the installation, with whichever key signs now (ES256). */
export interface Signer {
  sign(text: string): { readonly keyId: string; readonly signature: Buffer };
}

/** Events of one statement that wait for their links. */
interface Waiting {
  readonly position: string;
  readonly event_ids: readonly string[];
}

interface Event extends Omit<AuditRecord, 'organization_id' | 'occurred_at'> {
  readonly occurred_at: Instant;
}

interface Head {
  readonly sequence: number;
  readonly hash: Buffer;
}

/**
 * Gives each event, at most about a second after it was committed, its place in its organization's chain, and signs what
 * it did. Any number of sealers may work at once, on any number of replicas.
 */
export class AuditSealer implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('AuditSealer');
  /** The furthest this sealer came, by organization: a chain that is shorter later was cut. */
  private readonly heads = new Map<string, Head>();
  private timer: NodeJS.Timeout | null = null;
  private round: Promise<void> = Promise.resolve();

  constructor(
    private readonly database: Database,
    private readonly signer: Signer,
    private readonly spelt: SpeltEvents,
    private readonly clock: Clock,
    private readonly background: Background,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.background.runsByItself) return;
    const next = (): void => {
      this.round = this.sealAll().then(() => {
        if (this.timer) this.timer = setTimeout(next, SEAL_EVERY_MS).unref();
      });
    };
    this.timer = setTimeout(next, SEAL_EVERY_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    await this.round;
    await this.sealAll();
  }

  /** Seals whatever waits and no other sealer has in hand. Never rejects: what fails is logged, and tried again the next time. */
  async sealAll(): Promise<void> {
    this.spelt.age();
    try {
      let waiting = await this.organizationsToSeal();
      while (waiting.length > 0) {
        const unfinished: string[] = [];
        // One batch each in turn, so that an organization with much to seal does not keep the others waiting.
        for (const organizationId of waiting) if (await this.sealLogging(organizationId)) unfinished.push(organizationId);
        waiting = unfinished;
      }
    } catch (error) {
      this.logger.warn(`nothing could be sealed: ${reasonOf(error)}`);
    }
  }

  /** Seals everything that the organization has committed so far, even where another sealer is at it. */
  async seal(organizationId: string): Promise<void> {
    while ((await this.sealBatch(organizationId, 'wait')) >= BATCH);
  }

  private async organizationsToSeal(): Promise<readonly string[]> {
    const rows = await this.database.shared.query<{ organization_id: string }[]>('SELECT organization_id FROM organizations_to_seal()');
    return rows.map((row) => row.organization_id);
  }

  /** True where there may be more. */
  private async sealLogging(organizationId: string): Promise<boolean> {
    try {
      return (await this.sealBatch(organizationId, 'skip')) >= BATCH;
    } catch (error) {
      this.logger.warn(`the audit events of organization ${organizationId} could not be sealed: ${reasonOf(error)}`);
      return false;
    }
  }

  /** How many were sealed. */
  private async sealBatch(organizationId: string, whereBusy: 'wait' | 'skip'): Promise<number> {
    const head = await this.database.inOrganization(organizationId, async (tenant) => {
      if (!(await this.takeTurn(tenant, whereBusy))) return null;
      return this.extend(tenant, await this.headIn(tenant));
    });
    if (head === null) return 0;
    this.heads.set(organizationId, head);
    return head.added;
  }

  /** Until the transaction ends, nobody else seals this organization's events. */
  private async takeTurn({ organizationId, manager }: Tenant, whereBusy: 'wait' | 'skip'): Promise<boolean> {
    const sql = whereBusy === 'wait' ? 'SELECT true AS taken FROM pg_advisory_xact_lock($1, hashtext($2))' : 'SELECT pg_try_advisory_xact_lock($1, hashtext($2)) AS taken';
    const [row] = await manager.query<{ taken: boolean }[]>(sql, [SEALING_LOCK, organizationId]);
    return row?.taken === true;
  }

  /**
   * Where the chain ends: as far as its links, its checkpoints and this sealer's own memory go. Where they disagree,
   * somebody has tampered with the chain: it goes on behind the gap, which stays for every export to show.
   */
  private async headIn({ organizationId, manager }: Tenant): Promise<Head> {
    const newest = { where: { organizationId }, order: { sequence: 'DESC' }, take: 1 } as const;
    const [link] = await manager.find(AuditLink, newest);
    const [checkpoint] = await manager.find(AuditCheckpoint, newest);
    const linked = { sequence: Number(link?.sequence ?? 0), hash: link?.hash ?? CHAIN_START };
    const signed = { sequence: Number(checkpoint?.sequence ?? 0), hash: checkpoint?.hash ?? CHAIN_START };
    const known = this.heads.get(organizationId) ?? linked;
    const furthest = [signed, known].reduce((far, each) => (each.sequence > far.sequence ? each : far), linked);
    if (signed.sequence !== linked.sequence || furthest !== linked) {
      this.logger.error(
        `the audit chain of organization ${organizationId} was tampered with: ${linked.sequence} links, signed up to ${signed.sequence}, known up to ${known.sequence}`,
      );
    }
    return furthest;
  }

  /** Adds the next events in the order they were written, and a checkpoint. */
  private async extend(tenant: Tenant, { sequence, hash }: Head): Promise<Head & { readonly added: number }> {
    const { organizationId, manager } = tenant;
    const waiting = await manager.query<Waiting[]>(NEXT, [organizationId, BATCH]);
    if (waiting.length === 0) return { sequence, hash, added: 0 };
    const ids = waiting.flatMap((statement) => statement.event_ids);
    const texts = await this.textsOf(tenant, ids);
    const sealed: string[] = [];
    const hashes: Buffer[] = [];
    let last = hash;
    for (const id of ids) {
      const canonical = texts.get(id);
      if (canonical === undefined) {
        this.logger.error(`audit event ${id} of organization ${organizationId} was deleted before it was sealed`);
        continue;
      }
      last = linkHash(last, canonical);
      sealed.push(id);
      hashes.push(last);
    }
    const head = { sequence: sequence + hashes.length, hash: last };
    if (hashes.length > 0) {
      await manager.query(LINK, [organizationId, sequence, sealed, Buffer.concat(hashes)]);
      await manager.insert(AuditCheckpoint, this.checkpoint(organizationId, sequence + 1, head));
    }
    await manager.query(SEALED, [organizationId, waiting.map(({ position }) => position)]);
    return { ...head, added: ids.length };
  }

  /** The canonical JSON of these events: as it was noted, else as it is read, where they are still there. */
  private async textsOf({ organizationId, manager }: Tenant, ids: readonly string[]): Promise<ReadonlyMap<string, string | Buffer>> {
    const texts = new Map<string, string | Buffer>();
    const unknown: string[] = [];
    for (const id of ids) {
      const noted = this.spelt.of(id);
      if (noted) texts.set(id, noted);
      else unknown.push(id);
    }
    const found = unknown.length === 0 ? [] : await manager.query<Event[]>(EVENTS, [organizationId, unknown]);
    for (const { occurred_at: at, ...event } of found) texts.set(event.id, spell({ organization_id: organizationId, occurred_at: at.toRfc3339(6), ...event }));
    return texts;
  }

  private checkpoint(organizationId: string, first: number, { sequence, hash }: Head): AuditCheckpoint {
    const signedAt = this.clock.now();
    const statement: CheckpointStatement = {
      type: 'checkpoint',
      organization_id: organizationId,
      first_sequence: first,
      sequence,
      hash: hash.toString('hex'),
      signed_at: signedAt.toRfc3339(6),
    };
    const { keyId, signature } = this.signer.sign(canonicalJson(statement));
    return { organizationId, sequence: String(sequence), firstSequence: String(first), hash, signedAt, keyId, signature };
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown error';
}
