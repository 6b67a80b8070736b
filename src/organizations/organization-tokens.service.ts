import { Injectable } from '@nestjs/common';
import { requireUser, type Principal } from '../access/principal.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import type { Instant } from '../kernel/instant.js';
import { LastSeen } from '../kernel/last-seen.js';
import type { Cursor } from '../kernel/page.js';
import { ProjectsService } from '../projects/projects.service.js';
import type { TokenListing } from '../tokens/api-token.repository.js';
import { requireHeld, type BuiltInRole } from '../tokens/permissions.js';
import { TokenEngine } from '../tokens/token-engine.js';
import type { TokenFilter } from '../tokens/token-filter.js';
import type { MintedToken, MintRequest, ProjectRef, Token } from '../tokens/token.js';
import type { Person } from '../users/users.service.js';
import { MembershipsService } from './memberships.service.js';
import { RolesService, type RoleView } from './roles.service.js';

/** How long a token lives that shall expire, but is not said when. */
export const DEFAULT_LIFETIME_SECONDS = 365 * 24 * 3600;

export interface OrganizationTokenRequest {
  readonly name: string | null;
  /** True: the token acts for the person who asks, and ends with their membership. False: it is the organization's. */
  readonly personal: boolean;
  readonly secretPrefix: string;
  readonly expiresAt: Instant | 'never' | 'by-default';
  /** Bounds the token by this role; null: not named. Where neither this nor the next is named, the asking person's role bounds it. */
  readonly builtInRole: BuiltInRole | null;
  /** Bounds the token by this role too. */
  readonly roleId: string | null;
  /** Keys or ids. */
  readonly projects: readonly string[] | 'all';
}

export interface OrganizationToken {
  readonly token: Token;
  /** Whose it is; null for a token of the organization itself. */
  readonly person: Person | null;
  /** Key of the built-in role that bounds it; null where only another one does. */
  readonly builtInRole: string | null;
}

/** Where a page begins; `after` and `before` name a token that is not on the page itself. */
export type PageStart = { readonly offset: number } | { readonly after: string } | { readonly before: string };

export interface OrganizationTokenPage {
  readonly tokens: readonly OrganizationToken[];
  /** Whether there are more in the direction the page was asked in. */
  readonly hasMore: boolean;
  readonly total: number;
}

const ALL: TokenFilter = { kind: 'organization' };
/** A revoked token is gone to all but the inventory; an expired one is still listed. */
const PRESENT: TokenFilter = { ...ALL, revoked: false };

/** Tokens of an organization: personal ones of its members, and its own, which outlive whoever asked for them. */
@Injectable()
export class OrganizationTokens {
  private readonly ownRolesSeen = new LastSeen<RoleView>();

  constructor(
    private readonly database: Database,
    private readonly tokens: TokenEngine,
    private readonly roles: RolesService,
    private readonly memberships: MembershipsService,
    private readonly projects: ProjectsService,
  ) {}

  /** Mints a token that a role bounds, always; none that exceeds the person who asks (`PermissionExceeded`). */
  async mint(principal: Principal, request: OrganizationTokenRequest): Promise<MintedToken> {
    const user = requireUser(principal);
    const projects = request.projects === 'all' ? 'all' : distinct(await this.projects.getEach(principal, request.projects));
    const token: Omit<MintRequest, 'permissions'> = {
      kind: 'organization',
      owner: request.personal ? { userId: user.id } : { organization: true },
      secretPrefix: request.secretPrefix,
      name: request.name,
      projects,
      ...lifeOf(request),
    };
    if (request.builtInRole === null && request.roleId === null) {
      const ownRole = (): Promise<RoleView> => this.memberships.ownRole(principal);
      return this.ownRolesSeen.use(`${principal.organizationId} ${user.id}`, ownRole, ({ id }) =>
        this.tokens.mint(principal, { permissions: 'owner', roleId: id, grounds: { roleOf: user.id }, ...token }));
    }
    return this.database.inOrganization(principal.organizationId, async (tenant) =>
      this.tokens.mintIn(tenant, principal, { ...token, ...(await this.boundsFor(tenant, principal, request)) }));
  }

  /** Newest first. */
  async list(principal: Principal, start: PageStart, limit: number): Promise<OrganizationTokenPage> {
    const backwards = 'before' in start;
    const found = await this.tokens.list(principal, PRESENT, { ...(await this.listingFrom(principal, start)), limit: limit + 1 });
    const page = backwards ? found.slice(0, limit).reverse() : found.slice(0, limit);
    return {
      tokens: await this.describe(principal, page),
      hasMore: found.length > limit,
      total: await this.tokens.count(principal, PRESENT),
    };
  }

  /** Ends a token at once. Throws `TokenNotFound` where there is none such, or none any more. */
  async revoke(principal: Principal, tokenId: string): Promise<void> {
    await this.tokens.revoke(principal, tokenId, { reason: 'deleted', within: PRESENT });
  }

  /** A token has one role; where two are named, it keeps of the built-in one what that one allows. */
  private async boundsFor(tenant: Tenant, principal: Principal, { builtInRole, roleId }: OrganizationTokenRequest): Promise<Pick<MintRequest, 'permissions' | 'roleId' | 'attributes'>> {
    const builtIn = builtInRole === null ? null : await this.grantable(tenant, principal, builtInRole);
    const named = roleId === null ? null : await this.grantable(tenant, principal, roleId);
    const role = named ?? builtIn;
    if (!role) throw new Error('a token was to be minted that no role bounds');
    if (!named || !builtIn) return { permissions: 'owner', roleId: role.id };
    const permissions = await this.roles.permissionsOf(tenant, builtIn.id, principal.organization.platform);
    return { permissions: [...permissions], roleId: role.id, attributes: { builtInRole: builtIn.key } };
  }

  /** The role, where the caller holds all that it allows. */
  private async grantable(tenant: Tenant, principal: Principal, idOrKey: string): Promise<RoleView> {
    const role = await this.roles.get(tenant, idOrKey);
    requireHeld(principal.permissions, await this.roles.permissionsOf(tenant, role.id, principal.organization.platform));
    return role;
  }

  private async listingFrom(principal: Principal, start: PageStart): Promise<Omit<TokenListing, 'limit'>> {
    if ('after' in start) return { order: 'newest-first', after: await this.placeOf(principal, start.after) };
    if ('before' in start) return { order: 'oldest-first', after: await this.placeOf(principal, start.before) };
    return { order: 'newest-first', offset: start.offset };
  }

  /** A token that was revoked meanwhile still marks its place. */
  private async placeOf(principal: Principal, tokenId: string): Promise<Cursor> {
    const { createdAt, id } = await this.tokens.find(principal, tokenId, ALL);
    return { at: createdAt, id };
  }

  private describe(principal: Principal, tokens: readonly Token[]): Promise<OrganizationToken[]> {
    return this.database.inOrganization(principal.organizationId, async (tenant) => {
      const people = await this.memberships.peopleIn(tenant, tokens.map(({ userId }) => userId).filter((id) => id !== null));
      const roles = await this.roles.byIds(tenant, tokens.map(({ roleId }) => roleId).filter((id) => id !== null));
      return tokens.map((token) => ({
        token,
        person: people.get(token.userId ?? '') ?? null,
        builtInRole: builtInRoleOf(token, roles.get(token.roleId ?? '')),
      }));
    });
  }
}

function builtInRoleOf({ attributes }: Token, role: RoleView | undefined): string | null {
  const beside = attributes['builtInRole'];
  if (typeof beside === 'string') return beside;
  return role?.builtIn ? role.key : null;
}

/** An end by default was not asked for: where a policy allows less, the token ends earlier instead of being refused. */
function lifeOf({ expiresAt }: OrganizationTokenRequest): Pick<MintRequest, 'expiresAt' | 'maxTtlSeconds'> {
  if (expiresAt === 'by-default') return { maxTtlSeconds: DEFAULT_LIFETIME_SECONDS };
  return { expiresAt: expiresAt === 'never' ? null : expiresAt };
}

function distinct(projects: readonly ProjectRef[]): readonly ProjectRef[] {
  return [...new Map(projects.map((project) => [project.id, project])).values()];
}
