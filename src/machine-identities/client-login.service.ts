import { Injectable, type OnModuleInit } from '@nestjs/common';
import { CredentialsInvalid } from '../access/authenticator.js';
import { ClientPrincipals } from '../access/client-principals.js';
import type { Principal } from '../access/principal.js';
import { RefusalLog } from '../access/refusal-log.js';
import { AuditLog } from '../audit/audit-log.js';
import type { Actor } from '../audit/actor.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { isUuid } from '../kernel/ids.js';
import type { Instant } from '../kernel/instant.js';
import type { Origin } from '../kernel/origin.js';
import { isAllowedAddress } from '../tokens/address-list.js';
import type { MintedToken } from '../tokens/token.js';
import { ClientAssertions } from './client-assertions.js';
import { ClientLockouts } from './client-lockouts.js';
import { CLIENT_SECRET_PREFIX, ClientSecretsService, type ClientSecretView } from './client-secrets.service.js';
import { IdentityTokensService } from './identity-tokens.service.js';
import { MachineIdentitiesService } from './machine-identities.service.js';
import { UniversalAuthService, type UniversalAuthView } from './universal-auth.service.js';

/** How a client proves who it is: by a secret, or by an assertion signed with a key of its own (RFC 7523). */
export type ClientProof = { readonly secret: string } | { readonly assertion: string };

export interface ClientCredentials {
  readonly clientId: string;
  readonly proof: ClientProof;
  /** Slug of the sub-organization to act in. */
  readonly subOrganization?: string;
  /** What the token may do, within what the machine may; left out, whatever the machine may do at the time of use. */
  readonly permissions?: readonly string[];
}

/** A client secret or key that was presented rightly. */
interface Proven {
  readonly id: string;
  readonly kind: 'client-secret' | 'client-key';
}

/** Why a client may not enter, for those who hold its id. */
export type ClientRefusal = 'client' | 'address-not-allowed' | 'client-locked-out' | 'client-secret-expired' | 'client-secret-spent';

type Client = Pick<ClientCredentials, 'clientId' | 'proof'>;

/** A client that has proven who it is, and may enter. */
interface Admitted {
  readonly settings: UniversalAuthView;
  readonly actor: Actor;
  readonly credentialId: string;
}

interface Refused {
  readonly refusal: ClientRefusal;
  /** Null for a client that is none. */
  readonly identityId: string | null;
}

/** Logs machine identities in with a client id and a client secret, from wherever nobody has guessed too often. */
@Injectable()
export class ClientLoginService implements OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly universalAuth: UniversalAuthService,
    private readonly secrets: ClientSecretsService,
    private readonly assertions: ClientAssertions,
    private readonly lockouts: ClientLockouts,
    private readonly identities: MachineIdentitiesService,
    private readonly tokens: IdentityTokensService,
    private readonly principals: ClientPrincipals,
    private readonly audit: AuditLog,
    private readonly refusals: RefusalLog,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.principals.provide((clientId, secret, origin) =>
      secret.startsWith(CLIENT_SECRET_PREFIX) ? this.enter({ clientId, proof: { secret } }, origin, (tenant, admitted) => this.toPrincipal(tenant, admitted)) : Promise.resolve(null));
  }

  /**
   * A token of the machine, or `CredentialsInvalid` with a `ClientRefusal`. A refusal costs the client secret no use.
   * Throws `PermissionExceeded` where more is asked for than the machine may do.
   */
  login({ subOrganization, permissions, ...client }: ClientCredentials, origin: Origin): Promise<MintedToken> {
    return this.enter(client, origin, (tenant, { actor, settings, credentialId }) => {
      const caller = { organizationId: tenant.organizationId, actor, permissions: new Set<string>(), narrowed: false, projects: 'all' as const, tokenId: null };
      return this.tokens.grantIn(tenant, caller, settings.identityId, {
        method: 'universal-auth',
        settings,
        periodSeconds: settings.periodSeconds,
        clientSecretId: credentialId,
        subOrganization,
        permissions,
      });
    });
  }

  private async enter<T>(client: Client, origin: Origin, then: (tenant: Tenant, admitted: Admitted) => Promise<T>): Promise<T> {
    const organizationId = await this.organizationOf(client.clientId);
    if (!organizationId) throw new CredentialsInvalid('client');
    // Refusals are returned, not thrown: the failure that was counted must be committed.
    const outcome = await this.database.inOrganization(organizationId, async (tenant) => {
      const admitted = await this.admit(tenant, client, origin);
      return 'refusal' in admitted ? admitted : { result: await then(tenant, admitted) };
    });
    if (!('refusal' in outcome)) return outcome.result;
    await this.refusals.record(organizationId, { kind: 'anonymous', id: null, credential: null, origin }, {
      action: 'login.failed',
      target: { kind: 'identity', id: outcome.identityId },
      details: { reason: outcome.refusal },
    });
    throw new CredentialsInvalid(outcome.refusal);
  }

  private async organizationOf(clientId: string): Promise<string | null> {
    if (!isUuid(clientId)) return null;
    const [row] = await this.database.query<{ organization_id: string | null }>('SELECT organization_of_client($1) AS organization_id', [clientId]);
    return row?.organization_id ?? null;
  }

  private async admit(tenant: Tenant, { clientId, proof }: Client, origin: Origin): Promise<Admitted | Refused> {
    const settings = await this.universalAuth.lockByClient(tenant, clientId);
    if (!settings) return { refusal: 'client', identityId: null };
    const refused = (refusal: ClientRefusal): Refused => ({ refusal, identityId: settings.identityId });
    if (!isAllowedAddress(origin.ip, settings.clientSecretTrustedAddresses)) return refused('address-not-allowed');
    if (await this.lockouts.isLockedOut(tenant, settings, origin.ip)) return refused('client-locked-out');
    if (await this.hasStopped(tenant)) return refused('client');
    const proven = 'secret' in proof ? await this.proveBySecret(tenant, settings, proof.secret) : await this.assertions.prove(tenant, settings, proof.assertion);
    if (proven === null) return refused(await this.fail(tenant, settings, origin));
    await this.lockouts.forgive(tenant, settings, origin.ip);
    if (typeof proven === 'string') return refused(proven);
    const actor: Actor = { kind: 'machine-identity', id: settings.identityId, credential: proven, origin };
    return { settings, actor, credentialId: proven.id };
  }

  /** The machine itself, as a client that asks without a token; it may do what its role allows. */
  private async toPrincipal(tenant: Tenant, { settings, actor }: Admitted): Promise<Principal> {
    const [organization] = await tenant.manager.query<Principal['organization'][]>(
      'SELECT id, slug, name, platform FROM organizations WHERE id = $1',
      [tenant.organizationId],
    );
    if (!organization) throw new CredentialsInvalid('client');
    const permissions = await this.identities.permissionsAt(tenant, settings.identityId, null);
    return { organizationId: organization.id, organization, actor, permissions, narrowed: false, projects: 'all', tokenId: null, user: null, sessionId: null, token: null };
  }

  /** Null for a secret that is none of the client's. */
  private async proveBySecret(tenant: Tenant, settings: UniversalAuthView, presented: string): Promise<Proven | ClientRefusal | null> {
    const secret = await this.secrets.findPresented(tenant, settings.id, presented);
    if (!secret) return null;
    if (this.hasExpired(secret)) return 'client-secret-expired';
    if (!(await this.secrets.takeUse(tenant, secret.id))) return 'client-secret-spent';
    return { kind: 'client-secret', id: secret.id };
  }

  /** Suspended or deleted, itself or the organization it belongs to: what is minted now would live when it is resumed. */
  private async hasStopped({ organizationId, manager }: Tenant): Promise<boolean> {
    const [row] = await manager.query<{ at: Instant | null }[]>('SELECT organization_stopped_at($1) AS at', [organizationId]);
    return row?.at !== null;
  }

  private async fail(tenant: Tenant, settings: UniversalAuthView, origin: Origin): Promise<ClientRefusal> {
    if (await this.lockouts.countFailure(tenant, settings, origin.ip)) {
      const actor: Actor = { kind: 'system', id: null, credential: null, origin };
      await this.audit.append(tenant, actor, { action: 'client.locked-out', target: { kind: 'identity', id: settings.identityId }, details: { clientId: settings.clientId } });
    }
    return 'client';
  }

  private hasExpired({ createdAt, ttlSeconds }: ClientSecretView): boolean {
    return ttlSeconds > 0 && !this.clock.now().isBefore(createdAt.plusSeconds(ttlSeconds));
  }
}
