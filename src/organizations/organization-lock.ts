import type { Tenant } from '../kernel/database/database.js';
import { DomainError } from '../kernel/failure.js';

/**
 * From here to the end of the transaction no other one that asks for the same gets on: what is counted now is not
 * changed by another meanwhile. Reading the organization, and writing to it, goes on.
 */
export async function lockOrganization({ organizationId, manager }: Tenant): Promise<void> {
  await manager.query('SELECT FROM organizations WHERE id = $1 FOR NO KEY UPDATE', [organizationId]);
}

/** There are as many of something as there may be; `resource` is one of them, in a word that takes an s. */
export class TooMany extends DomainError<'limit-exceeded'> {
  constructor(resource: string, limit: number) {
    super('limit-exceeded', `There may be no more than ${limit} ${resource}s.`, { resource, limit });
  }
}
