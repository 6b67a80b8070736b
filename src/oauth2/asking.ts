import type { Principal } from '../access/principal.js';
import type { BareRequest } from '../kernel/http/bare.js';
import { inputOf } from '../kernel/http/input.pipe.js';
import type { UseContext } from '../tokens/token-verifier.js';
import { Consistency } from './introspection.dto.js';

/** The token's user is not the sender of the request, so the sender's address says nothing about it. */
export function askedBy({ actor }: Principal): UseContext {
  return { ip: null, userAgent: null, asker: actor.credential && { credential: actor.credential.id } };
}

/** Whether the answer must know of every change that was acknowledged before it was asked for. */
export function isFullyConsistent({ query }: BareRequest): boolean {
  const { consistency } = query as { consistency?: unknown };
  return consistency !== undefined && inputOf(Consistency, 'query', query).consistency === 'full';
}
