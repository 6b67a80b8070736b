import { NotFound } from '../kernel/failure.js';
import type { Caller } from '../tokens/token.js';

/** Refuses every organization but the caller's own, as if there were no other. */
export function requireOwnOrganization(caller: Caller, organizationId: string): void {
  if (organizationId !== caller.organizationId) throw new NotFound('organization', organizationId);
}
