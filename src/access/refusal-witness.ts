import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { DomainError, FailureCode } from '../kernel/failure.js';
import { FailureWitness } from '../kernel/http/failure-witness.js';
import { findPrincipal } from './principal.js';
import { RefusalLog } from './refusal-log.js';

const REFUSALS: readonly FailureCode[] = ['permission-missing', 'permission-exceeded', 'policy-violated', 'caller-refused'];

/** Has every refused access of a known caller recorded once, before it is answered, be it the guard's or a handler's. */
@Injectable()
export class RefusalWitness extends FailureWitness {
  constructor(private readonly refusals: RefusalLog) {
    super();
  }

  override witness({ code, details }: DomainError, request: FastifyRequest): Promise<void> | null {
    const principal = REFUSALS.includes(code) ? findPrincipal(request) : null;
    if (!principal) return null;
    // The pattern, never the path: a path may carry a secret.
    const asked = { method: request.method, route: request.routeOptions.url ?? null };
    return this.refusals.record(principal.organizationId, principal.actor, {
      action: 'access.refused',
      target: { kind: 'route', id: null },
      details: { ...asked, code, ...details },
    });
  }
}
