import { Injectable } from '@nestjs/common';
import type { Actor } from '../audit/actor.js';
import { AuditLog, difference } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { NotFound } from '../kernel/failure.js';
import { newId } from '../kernel/ids.js';
import { Instant } from '../kernel/instant.js';
import { ApiTokenRepository, type TokenListing } from './api-token.repository.js';
import { boundedEnd, violations, type Policy } from './policy.js';
import { requireCovering, requireHeld } from './permissions.js';
import { TokenEndRepository } from './token-end.repository.js';
import { TokenEnds, type EndOptions } from './token-ends.js';
import { BeyondProjects, LifeNotOwn, ParentEnded, PolicyViolated, TokenNotFound } from './token.errors.js';
import type { TokenFilter } from './token-filter.js';
import { TokenPolicies } from './token-policies.js';
import { drawSecret, hintOf, SecretHasher } from './token-secret.js';
import { stateOf } from './token-state.js';
import type { Caller, MintedToken, MintRequest, PolicyRule, ProjectRef, Token, TokenChange } from './token.js';
import { ceilingOf } from './verdict.js';

export interface RevokeOptions {
  readonly reason?: string;
  /** Only a token that this lets through. */
  readonly within?: TokenFilter;
}

/** Mints, lists and revokes tokens of every kind. A change and its audit event are committed together or not at all. */
@Injectable()
export class TokenEngine {
  constructor(
    private readonly database: Database,
    private readonly tokens: ApiTokenRepository,
    private readonly policies: TokenPolicies,
    private readonly ends: TokenEnds,
    private readonly ceilings: TokenEndRepository,
    private readonly audit: AuditLog,
    private readonly hasher: SecretHasher,
    private readonly clock: Clock,
  ) {}

  /**
   * Mints a token that never exceeds its caller: not in permissions (`PermissionExceeded` names what is missing), not
   * in projects; nor any policy that binds the organization (`PolicyViolated`). Its secret is in the answer and nowhere else.
   */
  mint(caller: Caller, request: MintRequest): Promise<MintedToken> {
    return this.database.inOrganization(caller.organizationId, (tenant) => this.mintIn(tenant, caller, request));
  }

  /** The same within a transaction of the caller's organization that has begun. */
  async mintIn(tenant: Tenant, caller: Caller, request: MintRequest): Promise<MintedToken> {
    const bounded = { ...request, projects: projectsWithin(caller, request.projects) };
    if (bounded.subOrganizationId && bounded.projects !== 'all') throw new BeyondProjects();
    if (bounded.projects !== 'all') await this.holdProjects(tenant, bounded.projects);
    const permissions = permissionsWithin(caller, request.permissions);
    const parentId = caller.tokenKeptIn === undefined || caller.tokenKeptIn === tenant.organizationId ? caller.tokenId : null;
    if (parentId !== null && !(await this.ends.holdAlive(tenant, parentId))) throw new ParentEnded();
    const secret = drawSecret(request.secretPrefix);
    const now = this.clock.now();
    const policies = await this.policies.bindingIn(tenant, request.subOrganizationId ?? null);
    const { owner } = request;
    const userId = 'userId' in owner ? owner.userId : null;
    const token: Token = {
      organizationId: tenant.organizationId,
      id: newId(),
      shortId: request.shortId ?? null,
      number: request.number ?? null,
      kind: request.kind,
      name: request.name ?? null,
      description: request.description ?? null,
      ownerId: userId ?? ('projectId' in owner ? owner.projectId : 'identityId' in owner ? owner.identityId : tenant.organizationId),
      userId,
      parentId,
      clientSecretId: request.clientSecretId ?? null,
      subOrganizationId: request.subOrganizationId ?? null,
      projects: bounded.projects === 'all' ? ['*'] : bounded.projects.map(({ key }) => key).sort(),
      environment: request.environment ?? null,
      permissions,
      roleId: request.roleId ?? null,
      hint: hintOf(secret, request.secretPrefix),
      allowedAddresses: request.allowedAddresses ?? null,
      ttlSeconds: request.ttlSeconds ?? null,
      maxTtlSeconds: request.maxTtlSeconds ?? null,
      expiresAt: endOfLife(request, policies, now),
      usesLimit: request.usesLimit ?? null,
      useCount: 0,
      lastUsedAt: null,
      lastUsedIp: null,
      lastUsedUserAgent: null,
      renewedAt: null,
      createdAt: now,
      createdBy: caller.actor.id ?? tenant.organizationId,
      updatedAt: now,
      revokedAt: null,
      revokedBy: null,
      revocationReason: null,
      exposed: false,
      exposedAt: null,
      revokedWith: null,
      metadata: {},
      attributes: request.attributes ?? {},
      pendingRotation: null,
      blockReason: null,
      rotatedAt: null,
      rotationIntervalDays: null,
      rotationDueAt: null,
      reuseDetectedAt: null,
    };
    requireAllowed(policies, token, request.ownerAddresses ?? null);
    await this.policies.requireRoomIn(tenant, policies, now);
    await this.tokens.insert(tenant, token, bounded, this.hasher.hash(secret));
    await this.audit.append(tenant, caller.actor, {
      action: 'token.minted',
      target: { kind: 'token', id: token.id },
      details: describe(token),
    });
    return { token, secret };
  }

  /**
   * Ends the token at once, with all that were minted with it. False when it had been revoked before: then nothing changes.
   */
  async revoke(caller: Caller, tokenId: string, { reason = 'unspecified', within = {} }: RevokeOptions = {}): Promise<{ token: Token; changed: boolean }> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const token = await this.findIn(tenant, caller, tokenId, within);
      const { at, named } = await this.ends.endIn(tenant, caller.actor, [token.id], { reason });
      if (named.length === 0) return { token, changed: false };
      return { token: { ...token, revokedAt: at, revokedBy: caller.actor.id, revocationReason: reason, revokedWith: null, updatedAt: at }, changed: true };
    });
  }

  /**
   * Ends every token of the tenant that the filter lets through and that is not revoked, be it expired, with all that
   * were minted with them unless those are to live on, within a transaction that has begun. Tells how many.
   */
  async revokeAllIn(tenant: Tenant, actor: Actor, filter: TokenFilter, reason: string, options: Pick<EndOptions, 'descendants'> = {}): Promise<number> {
    const ids = await this.tokens.idsOf(tenant, 'all', { ...filter, revoked: false }, this.clock.now());
    const { named, descendants } = await this.ends.endIn(tenant, actor, ids, { reason, ...options });
    return named.length + descendants.length;
  }

  /**
   * Changes what is named. Nobody prolongs the life of the token they act with (`LifeNotOwn`) or of one that may do more
   * than they may (`PermissionExceeded`), nor gives any token what the policies do not allow (`PolicyViolated`).
   */
  update(caller: Caller, tokenId: string, change: TokenChange, within: TokenFilter = {}): Promise<Token> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      await this.tokens.lock(tenant, (await this.findIn(tenant, caller, tokenId, within)).id);
      const token = await this.findIn(tenant, caller, tokenId, within);
      const prolongs = change.expiresAt !== undefined && isLater(change.expiresAt, token.expiresAt);
      if (prolongs) await this.requireEntitled(tenant, caller, token.id);
      const now = this.clock.now();
      await this.requireChangeAllowed(tenant, token, { change, prolongs }, now);
      await this.tokens.update(tenant, token.id, change, now);
      await this.audit.append(tenant, caller.actor, { action: 'token.updated', target: { kind: 'token', id: token.id }, ...difference<Pick<Token, keyof TokenChange>>(token, change) });
      return this.findIn(tenant, caller, token.id, {});
    });
  }

  /**
   * By id or short id. `TokenNotFound` where it is absent, another organization's, beyond the caller's projects or
   * not let through by the filter.
   */
  find(caller: Caller, tokenId: string, within: TokenFilter = {}): Promise<Token> {
    return this.database.inOrganization(caller.organizationId, (tenant) => this.findIn(tenant, caller, tokenId, within));
  }

  list(caller: Caller, filter: TokenFilter, listing: TokenListing): Promise<Token[]> {
    return this.database.inOrganization(caller.organizationId, (tenant) =>
      this.tokens.list(tenant, caller.projects, filter, this.clock.now(), listing));
  }

  count(caller: Caller, filter: TokenFilter): Promise<number> {
    return this.database.inOrganization(caller.organizationId, (tenant) => this.tokens.count(tenant, caller.projects, filter, this.clock.now()));
  }

  /** A longer life is as good as a new token: who could not mint it does not give it. */
  private async requireEntitled(tenant: Tenant, caller: Caller, id: string): Promise<void> {
    if (id === caller.tokenId) throw new LifeNotOwn();
    for (const facts of await this.ceilings.factsOf(tenant, [id])) requireCovering(caller, ceilingOf(facts));
  }

  /** What else of the token the policies forbid blocks it, and is no ground to refuse the change. */
  private async requireChangeAllowed(tenant: Tenant, token: Token, { change, prolongs }: { change: TokenChange; prolongs: boolean }, now: Instant): Promise<void> {
    const rules = [...(prolongs ? LIFE_RULES : []), ...(change.permissions ? CONTENT_RULES : [])];
    if (rules.length === 0) return;
    const policies = await this.policies.bindingIn(tenant, token.subOrganizationId);
    const faults = violations(policies, { ...token, ...change, addressLists: [] }).filter(({ rule }) => rules.includes(rule));
    if (faults.length > 0) throw new PolicyViolated(faults);
    if (prolongs && stateOf(token, now) === 'expired') await this.policies.requireRoomIn(tenant, policies, now);
  }

  /** The projects stay until the transaction ends. Throws `NotFound` for the first that is gone. */
  private async holdProjects(tenant: Tenant, projects: readonly ProjectRef[]): Promise<void> {
    const held = await this.tokens.holdProjects(tenant, projects.map(({ id }) => id));
    const gone = projects.find(({ id }) => !held.has(id));
    if (gone) throw new NotFound('project', gone.key);
  }

  private async findIn(tenant: Tenant, caller: Caller, tokenId: string, within: TokenFilter): Promise<Token> {
    const token = await this.tokens.find(tenant, caller.projects, tokenId, within, this.clock.now());
    if (!token) throw new TokenNotFound(tokenId);
    return token;
  }
}

const LIFE_RULES: readonly string[] = ['expiry-required', 'lifetime-too-long'] satisfies PolicyRule[];
const CONTENT_RULES: readonly string[] = ['permissions-not-allowed'] satisfies PolicyRule[];

/** The first end that is set to a token's life, or the latest that the policies allow; null for one without. */
function endOfLife({ kind, expiresAt = null, ttlSeconds = null, maxTtlSeconds = null }: MintRequest, policies: readonly Policy[], now: Instant): Instant | null {
  const end = Instant.earliest(expiresAt, ttlSeconds === null ? null : now.plusSeconds(ttlSeconds), maxTtlSeconds === null ? null : now.plusSeconds(maxTtlSeconds));
  return boundedEnd(policies, kind, { asked: expiresAt, end, now });
}

function requireAllowed(policies: readonly Policy[], token: Token, ownerAddresses: readonly string[] | null): void {
  const faults = violations(policies, { ...token, addressLists: [token.allowedAddresses, ownerAddresses] });
  if (faults.length > 0) throw new PolicyViolated(faults);
}

/** Null never comes. */
function isLater(instant: Instant | null, than: Instant | null): boolean {
  return than !== null && (instant === null || than.isBefore(instant));
}

/** Whoever is limited to projects hands on that limit, or a narrower one. */
function projectsWithin(caller: Caller, requested: MintRequest['projects'] = 'all'): NonNullable<MintRequest['projects']> {
  if (caller.projects === 'all') return requested;
  if (requested === 'all') return caller.projects;
  const own = new Set(caller.projects.map(({ id }) => id));
  if (requested.some(({ id }) => !own.has(id))) throw new BeyondProjects();
  return requested;
}

/** A caller with fewer permissions than its owner hands on no more than its own. */
function permissionsWithin(caller: Caller, requested: MintRequest['permissions']): readonly string[] | null {
  if (requested === 'owner') return caller.narrowed ? [...caller.permissions].sort() : null;
  requireHeld(caller.permissions, requested);
  return [...new Set(requested)].sort();
}

function describe(token: Token): Record<string, unknown> {
  const { kind, name, ownerId, projects, environment, permissions, hint, expiresAt, usesLimit, clientSecretId, subOrganizationId } = token;
  const origin = { ...(clientSecretId && { clientSecretId }), ...(subOrganizationId && { subOrganizationId }) };
  return { kind, name, ownerId, projects, environment, permissions, hint, expiresAt, usesLimit, ...origin };
}
