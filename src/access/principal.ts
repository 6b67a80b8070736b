import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { DomainError } from '../kernel/failure.js';
import type { Caller } from '../tokens/token.js';
import type { VerifiedToken } from '../tokens/verdict.js';

/** Who is calling: a person in a session, or the holder of a live token; always in exactly one organization. */
export interface Principal extends Caller {
  readonly organization: { readonly id: string; readonly slug: string; readonly name: string; readonly platform: boolean };
  /** Null for a token without a person. */
  readonly user: { readonly id: string; readonly email: string; readonly name: string } | null;
  readonly sessionId: string | null;
  /** Null for a session. */
  readonly token: VerifiedToken | null;
}

const PRINCIPAL = Symbol('principal');
type Carrier = { [PRINCIPAL]?: Principal };

export function setPrincipal(request: object, principal: Principal): void {
  (request as Carrier)[PRINCIPAL] = principal;
}

/** Null where nobody has shown who they are. */
export function findPrincipal(request: object): Principal | null {
  return (request as Carrier)[PRINCIPAL] ?? null;
}

export function principalOf(request: object): Principal {
  const principal = findPrincipal(request);
  if (!principal) throw new Error('a public route asked who is calling');
  return principal;
}

/** The caller of a route that is not public. */
export const CurrentPrincipal = createParamDecorator((_: unknown, context: ExecutionContext): Principal =>
  principalOf(context.switchToHttp().getRequest<FastifyRequest>()));

/** The person behind the caller; refuses callers without one. */
export function requireUser(principal: Principal): NonNullable<Principal['user']> {
  if (principal.user) return principal.user;
  throw new DomainError('caller-refused', 'Only a person can do this, not a token without one.', { reason: 'user-required' });
}
