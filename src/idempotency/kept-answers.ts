import { createHash } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { seal, unseal } from '../access/sealed-box.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { Unavailable } from '../kernel/failure.js';
import { KeyRing } from '../kernel/key-ring.js';
import { Maintenance } from '../kernel/maintenance/maintenance.js';
import type { Caller } from '../tokens/token.js';
import { KeptAnswer } from './kept-answer.entity.js';

export const KEPT_SECONDS = 600;
const FORGET_EVERY_SECONDS = 300;

/** What a route returned: JSON as text, bytes in base64, or nothing. */
export type KeptBody = { readonly json: string } | { readonly base64: string } | null;

/** An answer as it can be given again. */
export interface Answer {
  /** Tells the request it answers from any other. */
  readonly request: string;
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: number | string | string[]])[];
  readonly body: KeptBody;
}

/** Whose key it is: the same characters of another organization, another actor or another credential are another key. */
export interface OwnedKey {
  readonly organizationId: string;
  readonly locator: Buffer;
}

export function ownedKey({ organizationId, actor }: Caller, key: string): OwnedKey {
  const owner = [organizationId, actor.kind, actor.id, actor.credential?.kind, actor.credential?.id];
  return { organizationId, locator: createHash('sha256').update(JSON.stringify([...owner, key])).digest() };
}

/** The first answers to requests that may be repeated, sealed (AES-256-GCM under a key derived from SECRET_KEY) for 10 minutes. */
@Injectable()
export class KeptAnswers implements OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly ring: KeyRing,
    private readonly clock: Clock,
    private readonly maintenance: Maintenance,
  ) {}

  onModuleInit(): void {
    this.maintenance.add({
      name: 'idempotency.forget-answers',
      everySeconds: FORGET_EVERY_SECONDS,
      inOrganization: (tenant, limit) => this.purgeIdempotency(tenant, limit),
    });
  }

  /**
   * The answer that is kept under the key; null where there is none. Until the transaction ends the key is the asker's
   * alone; whoever asks meanwhile waits, and fails as `unavailable` where that takes longer than any lock may.
   */
  take({ organizationId, locator }: OwnedKey): Promise<Answer | null> {
    return this.database.inOrganization(organizationId, async ({ manager }) => {
      await manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`idempotency:${organizationId}:${locator.toString('hex')}`]);
      const row = await manager.findOneBy(KeptAnswer, { organizationId, locator });
      return row && this.clock.now().isBefore(row.expiresAt) ? this.open(row) : null;
    });
  }

  /** Keeps the answer under a key that was taken in the same transaction. */
  keep({ organizationId, locator }: OwnedKey, answer: Answer): Promise<void> {
    const [key] = this.ring.derive('idempotency');
    const sealedAnswer = seal(key, Buffer.from(JSON.stringify(answer)), contextOf(organizationId, locator));
    const expiresAt = this.clock.now().plusSeconds(KEPT_SECONDS);
    return this.database.inOrganization(organizationId, async ({ manager }) => {
      await manager.upsert(KeptAnswer, { organizationId, locator, expiresAt, sealingKeyId: key.id, sealedAnswer }, ['organizationId', 'locator']);
    });
  }

  /** Forgets answers whose time has passed; tells how many, at most `limit`. */
  async purgeIdempotency({ organizationId, manager }: Tenant, limit: number): Promise<number> {
    const [forgotten] = await manager.query<[object[], number]>(
      `DELETE FROM kept_answers WHERE organization_id = $1 AND locator IN (
         SELECT locator FROM kept_answers WHERE organization_id = $1 AND expires_at <= $2 ORDER BY expires_at, locator LIMIT $3)
       AND expires_at <= $2 RETURNING organization_id`,
      [organizationId, this.clock.now().toPostgres(), limit],
    );
    return forgotten.length;
  }

  /** Never takes an answer that it cannot read for none: what was created would be created twice. */
  private open({ organizationId, locator, sealingKeyId, sealedAnswer }: KeptAnswer): Answer {
    const key = this.ring.derive('idempotency').find(({ id }) => id === sealingKeyId);
    if (!key) throw new Unavailable('The first answer to this Idempotency-Key is sealed with a SECRET_KEY that was taken away.');
    return JSON.parse(unseal(key, sealedAnswer, contextOf(organizationId, locator)).toString('utf8')) as Answer;
  }
}

function contextOf(organizationId: string, locator: Buffer): string {
  return `${organizationId}:${locator.toString('hex')}`;
}
