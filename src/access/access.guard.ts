import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { onceKnown } from '../kernel/at-once.js';
import { Invalidations } from '../kernel/database/invalidations.js';
import { DomainError } from '../kernel/failure.js';
import type { BareReply, BareRequest } from '../kernel/http/bare.js';
import type { Door } from '../kernel/http/door.js';
import { Doors } from '../kernel/http/doors.js';
import { originOf, pathOf } from '../kernel/http/request.js';
import { tellAllowance } from '../kernel/http/route-limits.js';
import { CreationQuota } from '../kernel/limits/creation-quota.js';
import { RateLimited, RateLimits } from '../kernel/limits/rate-limits.js';
import { PROFILE_READ } from '../tokens/permissions.js';
import { Authenticator } from './authenticator.js';
import { setPrincipal, type Principal } from './principal.js';
import { ACCESS, isWritingPost, type AccessRule, type CredentialKind } from './require-permission.js';

/** Made once, as most refusals of credentials are. */
const MISSING = new DomainError('credentials-missing', 'The request carries no credential.', {});

/** The only place where access is decided. A route that states nothing is refused to everyone. */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly doors: Doors,
    private readonly authenticator: Authenticator,
    private readonly invalidations: Invalidations,
    private readonly limits: RateLimits,
    private readonly creations: CreationQuota,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const rule = this.reflector.getAllAndOverride<AccessRule | 'public' | undefined>(ACCESS, [context.getHandler(), context.getClass()]);
    if (!rule) throw new Error(`${context.getClass().name}.${context.getHandler().name} states no permission`);
    const http = context.switchToHttp();
    const [request, reply] = [http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>()];
    await this.admit(rule, this.doors.at(pathOf(request.url)), request, reply);
    return true;
  }

  /**
   * Returns, at once where nothing must be asked first, if the caller may enter by this rule and its organization does not
   * create too much, and throws or rejects if not.
   */
  admit(rule: AccessRule | 'public', door: Door, request: BareRequest, reply: BareReply): void | Promise<void> {
    if (rule === 'public') return;
    const principal = this.authenticate(door, request);
    const known = principal instanceof Promise ? this.invalidations.whileReachable(principal) : principal;
    return onceKnown(known, (caller) => {
      enter(caller, rule, request, reply);
      if (isWritingPost(request.method, rule) && !rule.uncounted) return this.limitCreations(caller, reply);
    });
  }

  /** The refusal of a request that shows no credential, or one that can be told to be nobody's by looking at it; null for any other. */
  refusalAtSight(request: BareRequest): DomainError | null {
    const presented = this.doors.at(pathOf(request.url)).credential(request.headers);
    if (typeof presented === 'string') return presented === 'missing' ? MISSING : null;
    return this.authenticator.refusalAtSight(presented.secret, presented.clientId);
  }

  private limitCreations({ organizationId }: Principal, reply: BareReply): void | Promise<void> {
    return onceKnown(this.limits.take(this.creations, organizationId), (allowance) => {
      tellAllowance(reply, allowance);
      if (allowance.exceeded) throw new RateLimited(allowance, 'This organization creates too much at once.');
    });
  }

  private authenticate(door: Door, request: BareRequest): Principal | Promise<Principal> {
    const presented = door.credential(request.headers);
    if (presented === 'missing') throw MISSING;
    if (presented === 'ambiguous') throw new DomainError('credentials-ambiguous', 'The request carries more than one credential.', {});
    return this.authenticator.authenticate(presented.secret, originOf(request), presented.clientId);
  }
}

function enter(principal: Principal, rule: AccessRule, request: BareRequest, reply: BareReply): void {
  // First, so that a refusal is known to be this caller's.
  setPrincipal(request, principal);
  tellExpiry(reply, principal);
  requireAccess(principal, rule);
}

/** Whoever calls with a token learns from any answer when it ends (RFC 3339): of a secret that was replaced, when that one does. */
function tellExpiry(reply: BareReply, { token }: Principal): void {
  if (token?.expiresAt) reply.header('token-expires-at', token.expiresAt.toRfc3339());
}

/** A client that asks with its own secret is a machine. */
function kindOf({ sessionId, token }: Principal): CredentialKind {
  return sessionId === null ? (token?.kind ?? 'machine-identity') : 'session';
}

function requireAccess(principal: Principal, { permission, credential, limitedCallers }: AccessRule): void {
  if (credential === 'session' && principal.sessionId === null) {
    throw new DomainError('caller-refused', 'An API token cannot do this; log in instead.', { reason: 'session-required' });
  }
  if (typeof credential !== 'string' && !credential.includes(kindOf(principal))) {
    throw new DomainError('caller-refused', 'This needs a credential of another kind.', { reason: 'wrong-kind' });
  }
  if (!limitedCallers && principal.projects !== 'all') {
    throw new DomainError('caller-refused', 'This credential is limited to certain projects and cannot do this.', { reason: 'limited-to-projects' });
  }
  if (permission !== PROFILE_READ && !principal.permissions.has(permission)) {
    throw new DomainError('permission-missing', `This needs the permission ${permission}.`, { permissions: [permission] });
  }
}
