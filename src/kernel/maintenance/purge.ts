import type { Tenant } from '../database/database.js';
import type { Instant } from '../instant.js';

/**
 * Deletes up to so many of the tenant's rows in a table, called `t` in the condition, where `$2` stands for the instant;
 * tells how many. Rows that somebody else has locked are left for the next time. Table and condition are never input.
 */
export async function purge({ organizationId, manager }: Tenant, { table, condition, before, limit }: { table: string; condition: string; before: Instant; limit: number }): Promise<number> {
  const [, deleted] = await manager.query<[unknown, number]>(
    `DELETE FROM ${table} WHERE organization_id = $1 AND ctid = ANY (ARRAY(
       SELECT t.ctid FROM ${table} t WHERE t.organization_id = $1 AND (${condition}) LIMIT $3 FOR UPDATE OF t SKIP LOCKED))`,
    [organizationId, before.toPostgres(), limit],
  );
  return deleted;
}
