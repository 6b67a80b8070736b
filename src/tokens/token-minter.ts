import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { AuditLog, type Happening } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { NotFound, Unavailable } from '../kernel/failure.js';
import { newOrderedId } from '../kernel/ids.js';
import { Instant } from '../kernel/instant.js';
import { requireHeld } from './permissions.js';
import { boundedEnd, violations, type Policy } from './policy.js';
import { TokenMintRepository, type Mint, type MintOutcome } from './token-mint.repository.js';
import { noRoom, TokenPolicies } from './token-policies.js';
import { drawSecret, hintOf, SecretHasher, type IssuedSecret } from './token-secret.js';
import { BeyondProjects, GroundsChanged, ParentEnded, PolicyViolated } from './token.errors.js';
import type { Caller, MintedToken, MintRequest, Token } from './token.js';

const ORGANIZATIONS_MAX = 10_000;
/** Policies that change more often than this while one token is minted are changed without end. */
const ATTEMPTS_MAX = 5;

/** Where a mint is written, and what the policies there are now. */
interface Way {
  readonly write: (mint: Mint) => Promise<MintOutcome>;
  readonly policies: () => Promise<readonly Policy[]>;
  /** In the place of one that is drawn. */
  readonly foreign?: IssuedSecret | null;
}

interface Written extends MintedToken {
  readonly happening: Happening;
  readonly followed: boolean;
}

/**
 * Decides what a token is, by what is remembered of the organization. The statement that writes it looks at the same once
 * more: so nothing is read beforehand, and nothing holds only because it was remembered.
 */
@Injectable()
export class TokenMinter {
  /** By organization and sub-organization, the policies that bound a token there when one was last minted. */
  private readonly policiesSeen = new LRUCache<string, readonly Policy[]>({ max: ORGANIZATIONS_MAX });
  /** Organizations whose webhooks were told of the last token. */
  private readonly followed = new LRUCache<string, true>({ max: ORGANIZATIONS_MAX });

  constructor(
    private readonly database: Database,
    private readonly mints: TokenMintRepository,
    private readonly policies: TokenPolicies,
    private readonly audit: AuditLog,
    private readonly hasher: SecretHasher,
    private readonly clock: Clock,
  ) {}

  /** In one round trip where nobody follows; see `TokenEngine.mint`. */
  async mint(caller: Caller, request: MintRequest): Promise<MintedToken> {
    const { organizationId } = caller;
    if (!this.database.isTogether && !this.followed.has(organizationId)) {
      const policies = (): Promise<readonly Policy[]> => this.database.inOrganization(organizationId, (tenant) => this.policies.bindingIn(tenant, request.subOrganizationId ?? null));
      const minted = await this.decideAndWrite(organizationId, caller, request, { write: (mint) => this.mints.write(mint), policies });
      if (minted) return minted;
      this.followed.set(organizationId, true);
    }
    return this.database.inOrganization(organizationId, (tenant) => this.mintIn(tenant, caller, request));
  }

  async mintIn(tenant: Tenant, caller: Caller, request: MintRequest): Promise<MintedToken> {
    return this.writeIn(tenant, caller, request, null);
  }

  /** The same for a secret that was drawn elsewhere, and recorded as that. */
  async importIn(tenant: Tenant, caller: Caller, request: MintRequest, secret: IssuedSecret): Promise<Token> {
    return (await this.writeIn(tenant, caller, request, secret)).token;
  }

  private async writeIn(tenant: Tenant, caller: Caller, request: MintRequest, foreign: IssuedSecret | null): Promise<MintedToken> {
    const written = await this.decideAndWrite(tenant.organizationId, caller, request, {
      write: (mint) => this.mints.writeIn(tenant, mint),
      policies: () => this.policies.bindingIn(tenant, request.subOrganizationId ?? null),
      foreign,
    });
    if (!written) throw new Error('a token was not written where its followers are told');
    if (written.followed) await this.audit.appended(tenant, caller.actor, written.happening);
    else this.followed.delete(tenant.organizationId);
    return written;
  }

  /** Null where followers are to be told, and this is not the way to do that. */
  private async decideAndWrite(organizationId: string, caller: Caller, request: MintRequest, way: Way): Promise<Written | null> {
    const place = `${organizationId} ${request.subOrganizationId ?? ''}`;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const policies = this.policiesSeen.get(place) ?? [];
      const { mint, secret, happening } = this.decide(organizationId, caller, request, policies, way.foreign ?? null);
      const { kind, permissions, createdAt, expiresAt, allowedAddresses } = mint.token;
      const faults = violations(policies, { kind, permissions, createdAt, expiresAt, addressLists: [allowedAddresses, request.ownerAddresses ?? null] });
      if (faults.length > 0) {
        const now = await way.policies();
        if (isDeepStrictEqual(now, policies)) throw new PolicyViolated(faults);
        this.policiesSeen.set(place, now);
        continue;
      }
      const written = await way.write(mint);
      if (written.outcome === 'minted') return { token: mint.token, secret, happening, followed: written.followed };
      if (written.outcome === 'followed') return null;
      if (written.outcome !== 'policies-changed') throw refusal(written, mint);
      this.policiesSeen.set(place, written.policies);
    }
    throw new Unavailable();
  }

  private decide(organizationId: string, caller: Caller, request: MintRequest, policies: readonly Policy[], foreign: IssuedSecret | null): { mint: Mint; secret: string; happening: Happening } {
    const projects = projectsWithin(caller, request.projects);
    if (request.subOrganizationId && projects !== 'all') throw new BeyondProjects();
    const secret = foreign ? '' : drawSecret(request.secretPrefix);
    const kept = foreign ?? { hint: hintOf(secret, request.secretPrefix), ...this.hasher.hash(secret) };
    const now = this.clock.now();
    const { owner } = request;
    const userId = 'userId' in owner ? owner.userId : null;
    const token: Token = {
      organizationId,
      id: newOrderedId(now),
      shortId: request.shortId ?? null,
      number: request.number ?? null,
      kind: request.kind,
      name: request.name ?? null,
      description: request.description ?? null,
      ownerId: userId ?? ('projectId' in owner ? owner.projectId : 'identityId' in owner ? owner.identityId : organizationId),
      userId,
      parentId: caller.tokenKeptIn === undefined || caller.tokenKeptIn === organizationId ? caller.tokenId : null,
      clientSecretId: request.clientSecretId ?? null,
      subOrganizationId: request.subOrganizationId ?? null,
      projects: projects === 'all' ? ['*'] : projects.map(({ key }) => key).sort(),
      environment: request.environment ?? null,
      permissions: permissionsWithin(caller, request.permissions),
      roleId: request.roleId ?? null,
      hint: kept.hint,
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
      createdBy: caller.actor.id ?? organizationId,
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
    const happening: Happening = { action: foreign ? 'token.imported' : 'token.minted', target: { kind: 'token', id: token.id }, details: describe(token) };
    const event = this.audit.spell(organizationId, caller.actor, happening);
    return { mint: { token, owner, projects, secret: kept, event, policies, grounds: request.grounds ?? null }, secret, happening };
  }
}

/** Why nothing was written. */
function refusal(outcome: Exclude<MintOutcome, { outcome: 'minted' | 'followed' | 'policies-changed' }>, { token, projects, policies }: Mint): Error {
  switch (outcome.outcome) {
    case 'project-gone': {
      const gone = projects === 'all' ? undefined : projects.find(({ id }) => !outcome.held_ids.includes(id));
      return new NotFound('project', gone?.key ?? '');
    }
    case 'environment-gone':
      return new NotFound('environment', token.environment ?? '');
    case 'grounds-changed':
      return new GroundsChanged();
    case 'parent-ended':
      return new ParentEnded();
    case 'no-room':
      return noRoom(policies);
  }
}

/** The first end that is set to a token's life, or the latest that the policies allow; null for one without. */
function endOfLife({ kind, expiresAt = null, ttlSeconds = null, maxTtlSeconds = null }: MintRequest, policies: readonly Policy[], now: Instant): Instant | null {
  const end = Instant.earliest(expiresAt, ttlSeconds === null ? null : now.plusSeconds(ttlSeconds), maxTtlSeconds === null ? null : now.plusSeconds(maxTtlSeconds));
  return boundedEnd(policies, kind, { asked: expiresAt, end, now });
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
  return { kind, name, ownerId, projects, environment, permissions, hint, expiresAt: expiresAt?.toRfc3339() ?? null, usesLimit, ...origin };
}
