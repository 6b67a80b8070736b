import { AsyncLocalStorage } from 'node:async_hooks';
import type { ClientBase, Pool } from 'pg';
import { DataSource, type EntityManager } from 'typeorm';
import { Replicas } from './replicas.js';
import { ServerPool } from './server-pool.js';

/** A transaction bound to one organization: the first argument of every query on tenants' data. */
export interface Tenant {
  readonly organizationId: string;
  readonly manager: EntityManager;
}

/** What a transaction is bound to, by the settings that row-level security looks at. */
interface Binding {
  readonly organizationId?: string;
  readonly userId?: string;
  readonly hashes?: readonly Buffer[];
}

/** A transaction that several pieces of work share, one after another. */
interface Joint {
  readonly manager: EntityManager;
  last: Promise<unknown>;
  readonly lasting: (() => Promise<unknown>)[];
  state: 'open' | 'in use' | 'over';
}

/** What the SQL function `invalidate` says to the connection that changes something others may keep an answer about. */
const INVALIDATED = 'gatehouse.invalidated';

/** The way to the data: nothing of a tenant's can be read or written but inside a transaction of that tenant. */
export class Database {
  private readonly joints = new AsyncLocalStorage<Joint>();
  private readonly replicas: Replicas | null;
  private settle: () => Promise<void> = () => Promise.resolve();

  constructor(
    private readonly dataSource: DataSource,
    /** Whether what is prepared under a name on a connection is still there in its next transaction. */
    readonly keepsSessions: boolean,
  ) {
    this.replicas = dataSource.driver.isReplicated ? new Replicas(dataSource) : null;
  }

  /** Runs after every transaction here that made something out of date, before whoever began it goes on. Never rejects. */
  onInvalidation(settle: () => Promise<void>): void {
    this.settle = settle;
  }

  /**
   * Whatever the work does by the other methods, in as many transactions as it takes them for, is one transaction: it
   * all sees what came before, and is committed when the work is done, or not at all. Each piece is bound as it would be
   * alone, and one that fails takes back itself only. Pieces that are begun at once wait for each other.
   */
  async together<T>(work: () => Promise<T>): Promise<T> {
    const lasting: Joint['lasting'] = [];
    try {
      return await this.settling(async (manager) => {
        const joint: Joint = { manager, last: Promise.resolve(), lasting, state: 'open' };
        try {
          return await this.joints.run(joint, work);
        } finally {
          joint.state = 'over';
        }
      });
    } catch (error) {
      for (const again of lasting) await again();
      throw error;
    }
  }

  /** Work whose changes stand even where it is part of a shared transaction that comes to nothing: it is done once more then. */
  lasting<T>(work: () => Promise<T>): Promise<T> {
    this.joint?.lasting.push(work);
    return work();
  }

  /**
   * Runs the work in one transaction that sees and changes rows of this organization only (row-level security).
   * All of it is committed, or nothing is. Inside, use nothing but the tenant's manager.
   */
  inOrganization<T>(organizationId: string, work: (tenant: Tenant) => Promise<T>): Promise<T> {
    return this.transaction({ organizationId }, (manager) => work({ organizationId, manager }));
  }

  /**
   * The same for work that reads much and changes nothing: on a read replica where one has all that was committed before,
   * else on the primary. It may be begun on the one and done again on the other. No verdict on a token is made of it.
   */
  async readInOrganization<T>(organizationId: string, work: (tenant: Tenant) => Promise<T>): Promise<T> {
    const read = this.isTogether ? null : await this.replicas?.read(async (manager) => {
      await bind(manager, { organizationId });
      return work({ organizationId, manager });
    });
    return read ? read.result : this.inOrganization(organizationId, work);
  }

  /**
   * The same as `inOrganization` for the platform's own organization, which besides its rows sees and changes the record of every
   * organization, though nothing of what they have, and the permissions of the whole installation.
   */
  asPlatform<T>(organizationId: string, work: (platform: Tenant) => Promise<T>): Promise<T> {
    return this.inOrganization(organizationId, async (platform) => {
      const [own] = await platform.manager.query<object[]>(
        `SELECT set_config('gatehouse.platform', id::text, true) FROM organizations WHERE id = $1 AND platform`,
        [organizationId],
      );
      if (!own) throw new Error('An organization that is not the platform was to act for it.');
      return work(platform);
    });
  }

  /** Part of a transaction that has begun, bound to another organization; afterwards it is bound as it was. */
  async elsewhere<T>({ organizationId: own, manager }: Tenant, organizationId: string, work: (tenant: Tenant) => Promise<T>): Promise<T> {
    const bindTo = (id: string): Promise<unknown> => manager.query(`SELECT set_config('gatehouse.organization_id', $1, true)`, [id]);
    await bindTo(organizationId);
    const result = await work({ organizationId, manager });
    await bindTo(own);
    return result;
  }

  /** A transaction that sees, of all tenants' data, only this person's own memberships and their organizations. */
  asUser<T>(userId: string, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.transaction({ userId }, work);
  }

  /** A transaction that sees, of all tenants' data, only the rows of the secrets with these hashes. */
  asHolder<T>(hashes: readonly Buffer[], work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.transaction({ hashes }, work);
  }

  /** For the installation's own tables and for functions that find their tenant themselves; sees no tenant's rows. */
  async query<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return this.shared.query<Row[]>(sql, [...parameters]);
  }

  /**
   * One statement that is a transaction by itself, and binds itself to whichever organizations it is about; never a part of
   * `together`. One round trip, and planned once on each connection, under the name.
   */
  async statement<Row extends object>(name: string, sql: string, parameters: readonly unknown[]): Promise<Row[]> {
    return (await this.pool.query<Row>({ ...(this.keepsSessions && { name }), text: sql, values: [...parameters] })).rows;
  }

  /** For a server that is silent since then: whatever has waited so long for it fails as at a lost connection; nothing of it is begun or committed later. */
  giveUp(silentSince: number, afterMs: number): void {
    if (this.pool instanceof ServerPool) this.pool.giveUp(silentSince, afterMs);
  }

  get shared(): EntityManager {
    return this.joint?.manager ?? this.dataSource.manager;
  }

  /** Whether what is read now may be changed by what is not committed, within `together`. */
  get isTogether(): boolean {
    return this.joint !== null;
  }

  /** What TypeORM's own queries go over, too. */
  private get pool(): Pool {
    return (this.dataSource.driver as unknown as { master: Pool }).master;
  }

  private get joint(): Joint | null {
    const joint = this.joints.getStore();
    return joint && joint.state !== 'over' ? joint : null;
  }

  private transaction<T>(binding: Binding, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    const { joint } = this;
    if (!joint) {
      return this.settling(async (manager) => {
        await bind(manager, binding);
        return work(manager);
      });
    }
    if (joint.state === 'in use') return Promise.reject(new Error('a transaction was begun within another'));
    const piece = joint.last.then(() => this.join(joint, binding, work));
    joint.last = piece.catch(() => undefined);
    return piece;
  }

  private async settling<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    let invalidated = false;
    const hear = ({ message }: { message?: string }): void => {
      invalidated ||= message === INVALIDATED;
    };
    try {
      return await this.dataSource.transaction(async (manager) => {
        const connection = (await manager.queryRunner?.connect()) as ClientBase;
        connection.on('notice', hear);
        try {
          return await work(manager);
        } finally {
          connection.off('notice', hear);
        }
      });
    } finally {
      // Also where the answer to COMMIT was lost: it may have been committed.
      if (invalidated) await this.settle();
    }
  }

  /** A savepoint of the transaction that is there; what it was bound to in between does not outlast it. */
  private async join<T>(joint: Joint, binding: Binding, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    const inside: Joint = { manager: joint.manager, last: joint.last, lasting: joint.lasting, state: 'in use' };
    try {
      return await joint.manager.transaction(async (manager) => {
        await bind(manager, binding);
        const result = await this.joints.run(inside, () => work(manager));
        await bind(manager, {});
        return result;
      });
    } finally {
      inside.state = 'over';
    }
  }
}

/** Binds to just this: whatever the transaction was bound to before it is not any more. */
async function bind(manager: EntityManager, { organizationId = '', userId = '', hashes = [] }: Binding): Promise<void> {
  await manager.query(
    `SELECT set_config('gatehouse.organization_id', $1, true), set_config('gatehouse.user_id', $2, true),
            set_config('gatehouse.presented_hashes', $3, true), set_config('gatehouse.platform', '', true)`,
    [organizationId, userId, byteaArray(hashes)],
  );
}

/** `bytea[]` as a literal: TypeORM and pg send an array of Buffers in different ways. */
export function byteaArray(values: readonly Buffer[]): string {
  return `{${values.map((value) => `"\\\\x${value.toString('hex')}"`).join(',')}}`;
}
