import type { Tenant } from '../kernel/database/database.js';

/**
 * From here to the end of the transaction nobody else changes which projects and environments the organization has, or
 * what they are called. Reading them, and minting tokens for them, goes on.
 */
export async function awaitTurn({ organizationId, manager }: Tenant): Promise<void> {
  await manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`projects:${organizationId}`]);
}
