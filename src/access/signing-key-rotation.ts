import { Injectable } from '@nestjs/common';
import { SYSTEM } from '../audit/actor.js';
import { AuditLog } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { Conflict, NotFound } from '../kernel/failure.js';
import type { Instant } from '../kernel/instant.js';
import { Maintenance } from '../kernel/maintenance/maintenance.js';
import type { Caller } from '../tokens/token.js';
import { SigningKey } from './signing-key.entity.js';
import { SigningKeys } from './signing-keys.js';

/** How long a key is published before it signs: longer than anyone who asks for the key set may keep it (300 s). */
export const NOTICE_SECONDS = 600;

/** How long a key that signs no more is published: longer than anything it signed lives (900 s), and than a replica needs to hear of its successor. */
export const OVERLAP_SECONDS = 3600;

const ROTATION_DAYS = 90;

export const KEY_STATES = ['next', 'signing', 'retiring', 'retired'] as const;
export type KeyState = (typeof KEY_STATES)[number];

export interface KeyView {
  readonly id: string;
  readonly algorithm: string;
  readonly state: KeyState;
  readonly createdAt: Instant;
  /** It is published before, and signs from then on. */
  readonly activatesAt: Instant;
  /** From then on nothing it signed counts. */
  readonly retiredAt: Instant | null;
}

/** Draws and retires the installation's signing keys. What was signed in good faith stays good: keys overlap. */
@Injectable()
export class SigningKeyRotation {
  constructor(
    private readonly database: Database,
    private readonly keys: SigningKeys,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
    maintenance: Maintenance,
  ) {
    maintenance.add({ name: 'signing-keys.rotate', everySeconds: 3600, inInstallation: async () => Number(await this.rotateWhenDue()) });
  }

  /** Newest first, retired ones too. */
  async list(): Promise<KeyView[]> {
    return this.viewsIn(this.database.shared);
  }

  /** Draws a key that signs after so many seconds; those before it are published until all they signed is over. */
  async rotate({ organizationId, actor }: Caller, activateInSeconds: number): Promise<KeyView> {
    const id = await this.database.inOrganization(organizationId, async (platform) => {
      await lockKeys(platform);
      const drawn = await this.succeedIn(platform, activateInSeconds);
      await this.audit.append(platform, actor, { action: 'signing-key.created', target: { kind: 'signing-key', id: null }, details: { key: drawn, activateInSeconds } });
      return drawn;
    });
    await this.keys.reload();
    return this.viewOf(id);
  }

  /** Ends a key now: nothing it signed counts any more. Throws `Conflict` for the only one that signs. */
  async retire({ organizationId, actor }: Caller, id: string): Promise<void> {
    await this.database.inOrganization(organizationId, async (platform) => {
      await lockKeys(platform);
      const now = this.clock.now();
      const all = await this.viewsIn(platform.manager);
      const key = all.find((each) => each.id === id && each.state !== 'retired');
      if (!key) throw new NotFound('signing-key', id);
      const signers = all.filter(({ state, activatesAt }) => state !== 'retired' && !now.isBefore(activatesAt));
      if (key.state !== 'next' && signers.length === 1) throw new Conflict('signing-key', 'only-one', 'It is the only key that can sign now: draw another first, with activate_in_seconds 0.');
      await platform.manager.update(SigningKey, { id }, { retiredAt: now });
      // Newest first: what was to give way to this key goes on until another comes.
      const heir = all.find((each) => each.id !== id && each.state !== 'retired');
      if (heir?.retiredAt) await platform.manager.update(SigningKey, { id: heir.id }, { retiredAt: null });
      await this.audit.append(platform, actor, { action: 'signing-key.retired', target: { kind: 'signing-key', id: null }, details: { key: id } });
    });
    await this.keys.reload();
  }

  /** Draws the successor of a key that has signed for 90 days, once however many replicas ask; true where it did. */
  async rotateWhenDue(): Promise<boolean> {
    const [row] = await this.database.query<{ id: string | null }>('SELECT platform_organization() AS id');
    if (!row?.id) return false;
    const rotated = await this.database.inOrganization(row.id, async (platform) => {
      await lockKeys(platform);
      const newest = (await this.viewsIn(platform.manager)).find(({ state }) => state !== 'retired');
      if (!newest || this.clock.now().isBefore(newest.activatesAt.plusSeconds(ROTATION_DAYS * 24 * 3600))) return false;
      const drawn = await this.succeedIn(platform, NOTICE_SECONDS);
      await this.audit.append(platform, SYSTEM, { action: 'signing-key.created', target: { kind: 'signing-key', id: null }, details: { key: drawn, activateInSeconds: NOTICE_SECONDS } });
      return true;
    });
    if (rotated) await this.keys.reload();
    return rotated;
  }

  private async succeedIn({ manager }: Tenant, activateInSeconds: number): Promise<string> {
    const activatesAt = this.clock.now().plusSeconds(activateInSeconds);
    const retiredAt = activatesAt.plusSeconds(OVERLAP_SECONDS);
    await manager
      .createQueryBuilder()
      .update(SigningKey)
      .set({ retiredAt })
      .where('retired_at IS NULL OR retired_at > :retiredAt', { retiredAt: retiredAt.toPostgres() })
      .execute();
    return this.keys.draw(manager, activatesAt);
  }

  private async viewOf(id: string): Promise<KeyView> {
    const found = (await this.list()).find((key) => key.id === id);
    if (!found) throw new NotFound('signing-key', id);
    return found;
  }

  private async viewsIn(manager: Tenant['manager']): Promise<KeyView[]> {
    const rows = await manager.find(SigningKey, { order: { activatesAt: 'DESC', id: 'ASC' } });
    const now = this.clock.now();
    const isRetired = ({ retiredAt }: SigningKey): boolean => retiredAt !== null && !now.isBefore(retiredAt);
    const signing = rows.find((row) => !isRetired(row) && !now.isBefore(row.activatesAt));
    const stateOf = (row: SigningKey): KeyState =>
      isRetired(row) ? 'retired' : now.isBefore(row.activatesAt) ? 'next' : row === signing ? 'signing' : 'retiring';
    return rows.map((row) => {
      const { id, algorithm, createdAt, activatesAt, retiredAt } = row;
      return { id, algorithm, state: stateOf(row), createdAt, activatesAt, retiredAt };
    });
  }
}

/** One change of the keys at a time, across replicas. */
async function lockKeys({ manager }: Tenant): Promise<void> {
  await manager.query(`SELECT pg_advisory_xact_lock(hashtextextended('signing-keys', 0))`);
}
