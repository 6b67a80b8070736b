import { Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import type { Tenant } from '../kernel/database/database.js';
import { DomainError, InputInvalid, NotFound } from '../kernel/failure.js';
import { inputOf } from '../kernel/http/input.pipe.js';
import { Instant } from '../kernel/instant.js';
import { IdentityTokensService } from '../machine-identities/identity-tokens.service.js';
import { MembershipsService } from '../organizations/memberships.service.js';
import { ProjectsService } from '../projects/projects.service.js';
import type { Permission } from '../tokens/permissions.js';
import { TokenImport, type ImportOutcome, type ImportRequest } from '../tokens/token-import.js';
import type { MintRequest, ProjectRef, TokenKind } from '../tokens/token.js';
import { ImportRow } from './import.dto.js';
import { lookOf, toForeignSecret } from './import.mapper.js';

/** What it takes to mint tokens of a kind, it takes to import them. */
const PERMISSION_OF: Record<TokenKind, Permission> = {
  'user': 'user:api-token:write',
  'project': 'project:api-token:write',
  'machine-identity': 'identity:token:write',
  'organization': 'organization:api-token:write',
  'auth-method': 'auth-method:token:write',
};

type Belonging = Pick<MintRequest, 'owner' | 'ownerAddresses' | 'projects'>;

/** Brings tokens along that were issued elsewhere, whosever they are in the caller's organization. */
@Injectable()
export class ImportService {
  constructor(
    private readonly imports: TokenImport,
    private readonly memberships: MembershipsService,
    private readonly projects: ProjectsService,
    private readonly identityTokens: IdentityTokensService,
  ) {}

  /** An outcome for each row, in their order, whatever is wrong with some. */
  async import(caller: Principal, rows: readonly unknown[], dryRun: boolean): Promise<readonly ImportOutcome[]> {
    const read = rows.map((row) => this.read(caller, row));
    const outcomes = (await this.imports.importEach(caller, read.filter((row) => 'foreign' in row), dryRun))[Symbol.iterator]();
    return read.map((row) => ('refusal' in row ? row : (outcomes.next().value as ImportOutcome)));
  }

  private read(caller: Principal, value: unknown): ImportRequest | { readonly refusal: DomainError } {
    try {
      const row = inputOf(ImportRow, 'body', value);
      const permission = PERMISSION_OF[row.kind];
      if (!caller.permissions.has(permission)) throw new DomainError('permission-missing', `This needs the permission ${permission}.`, { permissions: [permission] });
      return { foreign: toForeignSecret(row), toRequest: (tenant) => this.toRequest(tenant, caller, row) };
    } catch (error) {
      if (error instanceof DomainError) return { refusal: error as DomainError };
      throw error;
    }
  }

  private async toRequest(tenant: Tenant, caller: Principal, row: ImportRow): Promise<MintRequest> {
    const belonging = await this.belongingOf(tenant, caller, row);
    return {
      kind: row.kind,
      ...belonging,
      secretPrefix: lookOf(row),
      name: row.name ?? null,
      description: row.description ?? null,
      permissions: row.permissions ?? impliedPermissions(caller, belonging.owner),
      environment: row.environment ?? null,
      expiresAt: row.expires_at ? Instant.parse(row.expires_at) : null,
      allowedAddresses: row.allowed_addresses ?? null,
      metadata: row.metadata ?? {},
    };
  }

  private async belongingOf(tenant: Tenant, caller: Principal, row: ImportRow): Promise<Belonging> {
    const ownerId = row.owner_id ?? tenant.organizationId;
    if (row.kind === 'project') return this.projectsBelonging(tenant, caller, ownerId, row);
    const projects = (await this.projectsNamed(tenant, caller, row)) ?? 'all';
    if (row.kind === 'machine-identity') return { ...(await this.identityTokens.belongingIn(tenant, caller, ownerId)), projects };
    if (row.kind !== 'user' && ownerId === tenant.organizationId) return { owner: { organization: true }, projects };
    if (row.kind === 'auth-method') throw new NotFound('organization', ownerId);
    await this.memberships.roleOf(tenant, ownerId);
    return { owner: { userId: ownerId }, projects };
  }

  /** One project owns it that is named as its owner, or alone among its projects. */
  private async projectsBelonging(tenant: Tenant, caller: Principal, ownerId: string, row: ImportRow): Promise<Belonging> {
    const named = await this.projectsNamed(tenant, caller, row);
    if (ownerId === tenant.organizationId) {
      const [only, ...others] = named === 'all' || named === null ? [] : named;
      return { owner: only && others.length === 0 ? { projectId: only.id } : { organization: true }, projects: named ?? 'all' };
    }
    const owner = await this.projects.getByIdIn(tenant, caller, ownerId);
    if (named && (named === 'all' || named.length !== 1 || named[0]?.id !== owner.id)) {
      throw InputInvalid.at('projects', 'owner', 'must be the project that owns the token, or be left out');
    }
    return { owner: { projectId: owner.id }, projects: [owner] };
  }

  /** Null where the row says nothing. */
  private async projectsNamed(tenant: Tenant, caller: Principal, { projects }: ImportRow): Promise<readonly ProjectRef[] | 'all' | null> {
    if (!projects) return null;
    if (projects.includes('*')) return 'all';
    const named: ProjectRef[] = [];
    for (const key of new Set(projects)) named.push(await this.projects.getIn(tenant, caller, key));
    return named;
  }
}

/** Of a row that lists none. Another person's would grow with a role that is not the importer's to give. */
function impliedPermissions(caller: Principal, owner: MintRequest['owner']): MintRequest['permissions'] {
  if ('identityId' in owner) return 'owner';
  if (!('userId' in owner)) return [];
  if (owner.userId === caller.user?.id) return 'owner';
  throw InputInvalid.at('permissions', 'required', 'must be listed for a token of another person');
}
