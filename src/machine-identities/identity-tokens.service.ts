import { Injectable } from '@nestjs/common';
import { CredentialsInvalid } from '../access/authenticator.js';
import type { Principal } from '../access/principal.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { Conflict } from '../kernel/failure.js';
import { isUuid } from '../kernel/ids.js';
import { LastSeen } from '../kernel/last-seen.js';
import type { Origin } from '../kernel/origin.js';
import { SubOrganizations } from '../organizations/sub-organizations.service.js';
import { patternsOfRole, permissionsOfRole, requireGrantable, requireHeld, type Role } from '../tokens/permissions.js';
import { TokenEngine } from '../tokens/token-engine.js';
import type { TokenFilter } from '../tokens/token-filter.js';
import { TokenRenewal } from '../tokens/token-renewal.js';
import { TokenVerifier, type LocatedToken } from '../tokens/token-verifier.js';
import { GroundsChanged, TokenNotFound } from '../tokens/token.errors.js';
import type { Caller, MintedToken, MintRequest, Token } from '../tokens/token.js';
import { IDENTITY_TOKEN_PREFIX, toTokenLife, type AccessTokenSettings, type LoginMethod } from './access-token-settings.js';
import { AdmissionsService } from './admissions.service.js';
import { MachineIdentitiesService } from './machine-identities.service.js';
import { TokenAuthService, toView } from './token-auth.service.js';

/** What a token of a machine shall be, beside what its settings say. */
export interface IdentityTokenRequest {
  readonly name?: string;
  /** Slug of the sub-organization it shall act in. */
  readonly subOrganization?: string;
}

export interface IdentityTokenGrant extends IdentityTokenRequest {
  readonly method: LoginMethod;
  readonly settings: AccessTokenSettings;
  readonly periodSeconds?: number;
  readonly clientSecretId?: string;
  /** What it may do, within what the identity may; left out, whatever the identity may do at the time of use. */
  readonly permissions?: readonly string[];
}

/** A row of the SQL function `identity_grounds`. */
interface IdentityGrounds {
  readonly settings: AccessTokenSettings;
  /** Null: no access. */
  readonly role: Role | null;
  readonly registered: readonly string[];
  readonly inSubOrganization: boolean;
}

interface SeenGrounds extends Pick<IdentityGrounds, 'settings' | 'inSubOrganization'> {
  /** What its role says and allows; null: no access. */
  readonly access: { readonly patterns: readonly string[]; readonly granted: ReadonlySet<string> } | null;
  /** By which the minting statement knows them again. */
  readonly digest: string;
}

const MINTED: TokenFilter = { kind: 'machine-identity', clientSecretId: null };

/** Tokens of machine identities: they may do what the machine's role allows at the time of use. */
@Injectable()
export class IdentityTokensService {
  private readonly groundsSeen = new LastSeen<SeenGrounds>();

  constructor(
    private readonly database: Database,
    private readonly identities: MachineIdentitiesService,
    private readonly tokenAuth: TokenAuthService,
    private readonly admissions: AdmissionsService,
    private readonly subOrganizations: SubOrganizations,
    private readonly engine: TokenEngine,
    private readonly renewal: TokenRenewal,
    private readonly verifier: TokenVerifier,
  ) {}

  /** Mints one under the identity's Token Auth. The caller must hold whatever the token may do, be it in a sub-organization. */
  mint(caller: Principal, identityId: string, request: IdentityTokenRequest): Promise<MintedToken> {
    if (request.subOrganization !== undefined) return this.mintElsewhere(caller, identityId, request);
    const read = (): Promise<SeenGrounds> =>
      this.database.inOrganization(caller.organizationId, (tenant) => this.groundsIn(tenant, identityId, caller.organization.platform));
    return this.groundsSeen.use(`${caller.organizationId} ${identityId}`, read, async ({ settings, access, inSubOrganization, digest }) => {
      if (access) requireGrantable(caller, access.patterns, access.granted);
      const token = toMintRequest(identityId, { settings, ...request }, { home: inSubOrganization ? caller.organizationId : null, where: null });
      return this.engine.mint(caller, { grounds: { identity: digest }, ...token });
    });
  }

  /** Whose a token of the identity's is that was issued elsewhere, and what its Token Auth binds it to. The caller must hold whatever it may do. */
  async belongingIn(tenant: Tenant, caller: Principal, identityId: string): Promise<Pick<MintRequest, 'owner' | 'ownerAddresses'>> {
    const identity = await this.identities.requireIn(tenant, identityId);
    const { trustedAddresses } = await this.tokenAuth.lockIn(tenant, identityId, 'for_key_share');
    await this.identities.requireCovered(tenant, caller, identity);
    return { owner: { identityId }, ownerAddresses: trustedAddresses };
  }

  /** The same for whoever has been found worthy of it, within a transaction of the identity's organization. */
  async grantIn(tenant: Tenant, caller: Caller, identityId: string, grant: IdentityTokenGrant): Promise<MintedToken> {
    const { subOrganization, method, permissions } = grant;
    const where = subOrganization === undefined ? null : await this.admissions.resolve(tenant, identityId, subOrganization);
    if (where && method === 'token-auth') requireGrantable(caller, where.patterns, where.granted);
    const home = (await this.subOrganizations.isOne(tenant)) ? tenant.organizationId : null;
    if (permissions) requireHeld(await this.identities.permissionsAt(tenant, identityId, where), permissions);
    const holder = permissions ? { ...caller, permissions: new Set(permissions) } : caller;
    return this.engine.mintIn(tenant, holder, toMintRequest(identityId, grant, { home, where: where?.subOrganizationId ?? null }));
  }

  /** Minted tokens of the identity, dead ones too, last changed first; and how many there are in all. */
  async list(caller: Principal, identityId: string, { limit, offset }: { limit: number; offset: number }): Promise<{ tokens: Token[]; total: number }> {
    await this.database.inOrganization(caller.organizationId, async (tenant) => {
      await this.identities.requireIn(tenant, identityId);
      await this.tokenAuth.requireAttached(tenant, identityId);
    });
    const filter = { ...MINTED, identityId };
    return {
      tokens: await this.engine.list(caller, filter, { order: 'updated-first', limit, offset }),
      total: await this.engine.count(caller, filter),
    };
  }

  async get(caller: Principal, tokenId: string): Promise<Token> {
    if (!isUuid(tokenId)) throw new TokenNotFound(tokenId);
    return this.engine.find(caller, tokenId, MINTED);
  }

  async rename(caller: Principal, tokenId: string, name: string | undefined): Promise<Token> {
    const token = await this.get(caller, tokenId);
    await this.database.inOrganization(caller.organizationId, async (tenant) =>
      this.identities.requireCovered(tenant, caller, await this.identities.requireIn(tenant, token.ownerId)));
    return this.engine.update(caller, tokenId, name === undefined ? {} : { name }, MINTED);
  }

  /** Throws `TokenNotFound` for one that was revoked before. Whoever may end tokens may end those of any identity. */
  async revoke(caller: Principal, tokenId: string): Promise<void> {
    if (!isUuid(tokenId)) throw new TokenNotFound(tokenId);
    const { changed } = await this.engine.revoke(caller, tokenId, { within: MINTED });
    if (!changed) throw new TokenNotFound(tokenId);
  }

  /** A new secret of the token whose secret this is, for whoever holds it. */
  async renew(secret: string, origin: Origin): Promise<MintedToken> {
    await this.locate(secret, origin);
    return this.renewal.renew(secret, IDENTITY_TOKEN_PREFIX, origin);
  }

  /** Ends the token whose secret this is, at the wish of whoever holds it; ending it again changes nothing. */
  async revokeBySecret(secret: string, origin: Origin): Promise<void> {
    const { keptIn, tokenId, kind, ownerId, inForce } = await this.locate(secret, origin);
    if (!inForce) throw new CredentialsInvalid('expired');
    const holder: Caller = {
      organizationId: keptIn,
      actor: { kind, id: ownerId, credential: { kind: 'token', id: tokenId }, origin },
      permissions: new Set(),
      narrowed: true,
      projects: 'all',
      tokenId,
    };
    await this.engine.revoke(holder, tokenId, { reason: 'revoked-by-holder' });
  }

  private mintElsewhere(caller: Principal, identityId: string, request: IdentityTokenRequest): Promise<MintedToken> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const identity = await this.identities.requireIn(tenant, identityId);
      const settings = toView(await this.tokenAuth.lockIn(tenant, identityId, 'for_key_share'));
      await this.identities.requireCovered(tenant, caller, identity);
      return this.grantIn(tenant, caller, identityId, { ...request, method: 'token-auth', settings });
    });
  }

  private async groundsIn(tenant: Tenant, identityId: string, platform: boolean): Promise<SeenGrounds> {
    await this.identities.requireIn(tenant, identityId);
    await this.tokenAuth.requireAttached(tenant, identityId);
    const [row] = await tenant.manager.query<{ grounds: IdentityGrounds | null; digest: string }[]>(
      'SELECT g.grounds, grounds_digest(g.grounds) AS digest FROM identity_grounds($1, $2) AS g (grounds)',
      [tenant.organizationId, identityId],
    );
    if (!row?.grounds) throw new GroundsChanged();
    const { settings, role, registered, inSubOrganization } = row.grounds;
    const access = role && { patterns: patternsOfRole(role, platform), granted: permissionsOfRole(role, platform, registered) };
    return { settings, access, inSubOrganization, digest: row.digest };
  }

  private async locate(secret: string, origin: Origin): Promise<LocatedToken> {
    const found = await this.verifier.locate(secret, origin);
    if (!found) throw new CredentialsInvalid('unknown');
    if (found.kind !== 'machine-identity') throw new Conflict('token', 'other-kind', 'The token is not of a machine identity.');
    return found;
  }
}

type IdentityMint = Pick<IdentityTokenGrant, 'name' | 'settings' | 'periodSeconds' | 'clientSecretId' | 'permissions'>;

/** `home`: the sub-organization that the identity is of; `where`: the one that the token shall act in. */
function toMintRequest(identityId: string, { name, settings, periodSeconds = 0, clientSecretId, permissions }: IdentityMint, { home, where }: { home: string | null; where: string | null }): MintRequest {
  return {
    kind: 'machine-identity',
    owner: { identityId },
    secretPrefix: IDENTITY_TOKEN_PREFIX,
    name: name ?? null,
    permissions: permissions ?? 'owner',
    clientSecretId,
    subOrganizationId: where,
    ownerAddresses: settings.trustedAddresses,
    attributes: { ...(home && { subOrganizationId: home }), ...(periodSeconds > 0 && { periodSeconds }) },
    ...toTokenLife(settings, periodSeconds),
  };
}
