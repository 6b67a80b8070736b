import { Injectable } from '@nestjs/common';
import { CredentialsInvalid } from '../access/authenticator.js';
import { RefusalLog } from '../access/refusal-log.js';
import { AuditLog } from '../audit/audit-log.js';
import type { Actor } from '../audit/actor.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { isUuid } from '../kernel/ids.js';
import type { Origin } from '../kernel/origin.js';
import { isAllowedAddress } from '../tokens/address-list.js';
import type { MintedToken } from '../tokens/token.js';
import { ClientLockouts } from './client-lockouts.js';
import { ClientSecretsService, type ClientSecretView } from './client-secrets.service.js';
import { IdentityTokensService } from './identity-tokens.service.js';
import { UniversalAuthService, type UniversalAuthView } from './universal-auth.service.js';

export interface ClientCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
  /** Slug of the sub-organization to act in. */
  readonly subOrganization?: string;
}

/** Why a client may not enter, for those who hold its id. */
export type ClientRefusal = 'client' | 'address-not-allowed' | 'client-locked-out' | 'client-secret-expired' | 'client-secret-spent';

interface Refused {
  readonly refusal: ClientRefusal;
  /** Null for a client that is none. */
  readonly identityId: string | null;
}

/** Logs machine identities in with a client id and a client secret, from wherever nobody has guessed too often. */
@Injectable()
export class ClientLoginService {
  constructor(
    private readonly database: Database,
    private readonly universalAuth: UniversalAuthService,
    private readonly secrets: ClientSecretsService,
    private readonly lockouts: ClientLockouts,
    private readonly tokens: IdentityTokensService,
    private readonly audit: AuditLog,
    private readonly refusals: RefusalLog,
    private readonly clock: Clock,
  ) {}

  /** A token of the machine, or `CredentialsInvalid` with a `ClientRefusal`. A refusal costs the client secret no use. */
  async login(credentials: ClientCredentials, origin: Origin): Promise<MintedToken> {
    const organizationId = await this.organizationOf(credentials.clientId);
    if (!organizationId) throw new CredentialsInvalid('client');
    // Refusals are returned, not thrown: the failure that was counted must be committed.
    const outcome = await this.database.inOrganization(organizationId, (tenant) => this.attempt(tenant, credentials, origin));
    if (!('refusal' in outcome)) return outcome;
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

  private async attempt(tenant: Tenant, { clientId, clientSecret, subOrganization }: ClientCredentials, origin: Origin): Promise<MintedToken | Refused> {
    const settings = await this.universalAuth.lockByClient(tenant, clientId);
    if (!settings) return { refusal: 'client', identityId: null };
    const refused = (refusal: ClientRefusal): Refused => ({ refusal, identityId: settings.identityId });
    if (!isAllowedAddress(origin.ip, settings.clientSecretTrustedAddresses)) return refused('address-not-allowed');
    if (await this.lockouts.isLockedOut(tenant, settings, origin.ip)) return refused('client-locked-out');
    const secret = await this.secrets.findPresented(tenant, settings.id, clientSecret);
    if (!secret) return refused(await this.fail(tenant, settings, origin));
    await this.lockouts.forgive(tenant, settings, origin.ip);
    if (this.hasExpired(secret)) return refused('client-secret-expired');
    if (!(await this.secrets.takeUse(tenant, secret.id))) return refused('client-secret-spent');
    const actor: Actor = { kind: 'machine-identity', id: settings.identityId, credential: { kind: 'client-secret', id: secret.id }, origin };
    const caller = { organizationId: tenant.organizationId, actor, permissions: new Set<string>(), narrowed: false, projects: 'all' as const, tokenId: null };
    return this.tokens.grantIn(tenant, caller, settings.identityId, {
      method: 'universal-auth',
      settings,
      periodSeconds: settings.periodSeconds,
      clientSecretId: secret.id,
      subOrganization,
    });
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
