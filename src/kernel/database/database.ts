import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';

/** A transaction bound to one organization: the first argument of every query on tenants' data. */
export interface Tenant {
  readonly organizationId: string;
  readonly manager: EntityManager;
}

/** The way to the data: nothing of a tenant's can be read or written but inside a transaction of that tenant. */
@Injectable()
export class Database {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Runs the work in one transaction that sees and changes rows of this organization only (row-level security).
   * All of it is committed, or nothing is. Inside, use nothing but the tenant's manager.
   */
  inOrganization<T>(organizationId: string, work: (tenant: Tenant) => Promise<T>): Promise<T> {
    return this.dataSource.transaction(async (manager) => {
      await manager.query(`SELECT set_config('gatehouse.organization_id', $1, true)`, [organizationId]);
      return work({ organizationId, manager });
    });
  }

  /**
   * The same for the platform's own organization, which besides its rows sees and changes the record of every
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
    return this.dataSource.transaction(async (manager) => {
      await manager.query(`SELECT set_config('gatehouse.user_id', $1, true)`, [userId]);
      return work(manager);
    });
  }

  /** A transaction that sees, of all tenants' data, only the rows of the secrets with these hashes. */
  asHolder<T>(hashes: readonly Buffer[], work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.dataSource.transaction(async (manager) => {
      await manager.query(`SELECT set_config('gatehouse.presented_hashes', $1, true)`, [byteaArray(hashes)]);
      return work(manager);
    });
  }

  /** For the installation's own tables and for functions that find their tenant themselves; sees no tenant's rows. */
  async query<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return this.dataSource.query<Row[]>(sql, [...parameters]);
  }

  get shared(): EntityManager {
    return this.dataSource.manager;
  }
}

/** `bytea[]` as a literal: TypeORM and pg send an array of Buffers in different ways. */
export function byteaArray(values: readonly Buffer[]): string {
  return `{${values.map((value) => `"\\\\x${value.toString('hex')}"`).join(',')}}`;
}
