import { Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import { AuditLog, difference } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { isUniqueViolation } from '../kernel/database/database-failure.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { Conflict, NotFound } from '../kernel/failure.js';
import { newId } from '../kernel/ids.js';
import type { Instant } from '../kernel/instant.js';
import { TokenEngine } from '../tokens/token-engine.js';
import { requireTtlWithinMax, type AccessTokenSettings } from './access-token-settings.js';
import { UniversalAuthSettings } from './login-settings.entity.js';
import { MachineIdentitiesService } from './machine-identities.service.js';

export interface ClientSettings extends AccessTokenSettings {
  /** Above 0: tokens live so long and may be renewed for ever. */
  readonly periodSeconds: number;
  readonly clientSecretTrustedAddresses: readonly string[];
  readonly lockoutEnabled: boolean;
  readonly lockoutThreshold: number;
  readonly lockoutDurationSeconds: number;
  readonly lockoutCounterResetSeconds: number;
}

export interface UniversalAuthView extends ClientSettings {
  readonly id: string;
  readonly identityId: string;
  readonly clientId: string;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
}

/** Universal Auth of machine identities: whether they may log in as clients, and how the tokens live they are given. */
@Injectable()
export class UniversalAuthService {
  constructor(
    private readonly database: Database,
    private readonly identities: MachineIdentitiesService,
    private readonly tokens: TokenEngine,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  async attach(caller: Principal, identityId: string, settings: ClientSettings): Promise<UniversalAuthView> {
    try {
      return await this.database.inOrganization(caller.organizationId, (tenant) => this.attachIn(tenant, caller, identityId, settings));
    } catch (error) {
      // Two attached it at once.
      if (isUniqueViolation(error)) throw alreadyAttached();
      throw error;
    }
  }

  /** What is left out stays. Tokens that exist keep their life; addresses are judged by the new lists at once. */
  update(caller: Principal, identityId: string, change: Partial<ClientSettings>): Promise<UniversalAuthView> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const identity = await this.identities.requireIn(tenant, identityId);
      const current = toView(await this.lockIn(tenant, identityId));
      const settings = { ...current, ...change, updatedAt: this.clock.now() };
      requireTtlWithinMax('universal-auth', settings);
      await this.identities.requireCovered(tenant, caller, identity);
      const { organizationId, manager } = tenant;
      await manager.update(UniversalAuthSettings, { organizationId, identityId }, { ...toColumns(settings), updatedAt: settings.updatedAt });
      await this.audit.append(tenant, caller.actor, { action: 'universal-auth.updated', target: { kind: 'identity', id: identityId }, ...difference(current, change) });
      return settings;
    });
  }

  /** Throws `NotFound` for an identity without Universal Auth. */
  get(caller: Principal, identityId: string): Promise<UniversalAuthView> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      await this.identities.requireIn(tenant, identityId);
      return toView(await this.findIn(tenant, identityId));
    });
  }

  /** Ends the client secrets and the tokens obtained with them; those that were minted live on. */
  detach(caller: Principal, identityId: string): Promise<UniversalAuthView> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const settings = await this.requireChangeable(tenant, caller, identityId);
      await tenant.manager.delete(UniversalAuthSettings, { organizationId: tenant.organizationId, identityId });
      const revoked = await this.tokens.revokeAllIn(tenant, caller.actor, { identityId, clientSecretId: 'any' }, 'universal-auth-detached');
      await this.audit.append(tenant, caller.actor, { action: 'universal-auth.detached', target: { kind: 'identity', id: identityId }, details: { tokensRevoked: revoked } });
      return settings;
    });
  }

  /** Throws `Conflict` for an identity without Universal Auth. */
  async requireAttached({ organizationId, manager }: Tenant, identityId: string): Promise<UniversalAuthView> {
    const found = await manager.findOneBy(UniversalAuthSettings, { organizationId, identityId });
    if (!found) throw new Conflict('universal-auth', 'not-attached', 'The machine identity does not have Universal Auth.');
    return toView(found);
  }

  /** The same, for a caller who may change what the client proves itself with: who holds whatever the identity may do. */
  async requireChangeable(tenant: Tenant, caller: Principal, identityId: string): Promise<UniversalAuthView> {
    const identity = await this.identities.requireIn(tenant, identityId);
    const settings = await this.requireAttached(tenant, identityId);
    await this.identities.requireCovered(tenant, caller, identity);
    return settings;
  }

  /** The settings of a client that logs in, which are not detached until the transaction ends; null for a client that is none. */
  async lockByClient({ organizationId, manager }: Tenant, clientId: string): Promise<UniversalAuthView | null> {
    const found = await manager.findOne(UniversalAuthSettings, { where: { organizationId, clientId }, lock: { mode: 'for_key_share' } });
    return found && toView(found);
  }

  /** The settings, which nobody else changes until the transaction ends. */
  private async lockIn({ organizationId, manager }: Tenant, identityId: string): Promise<UniversalAuthSettings> {
    const found = await manager.findOne(UniversalAuthSettings, { where: { organizationId, identityId }, lock: { mode: 'for_no_key_update' } });
    if (!found) throw new NotFound('universal-auth', identityId);
    return found;
  }

  private async findIn({ organizationId, manager }: Tenant, identityId: string): Promise<UniversalAuthSettings> {
    const found = await manager.findOneBy(UniversalAuthSettings, { organizationId, identityId });
    if (!found) throw new NotFound('universal-auth', identityId);
    return found;
  }

  private async attachIn(tenant: Tenant, caller: Principal, identityId: string, settings: ClientSettings): Promise<UniversalAuthView> {
    const identity = await this.identities.requireIn(tenant, identityId);
    const { organizationId, manager } = tenant;
    if (await manager.existsBy(UniversalAuthSettings, { organizationId, identityId })) throw alreadyAttached();
    requireTtlWithinMax('universal-auth', settings);
    await this.identities.requireCovered(tenant, caller, identity);
    const now = this.clock.now();
    const view = { ...settings, id: newId(), identityId, clientId: newId(), createdAt: now, updatedAt: now };
    const { id, clientId } = view;
    await manager.insert(UniversalAuthSettings, { organizationId, id, identityId, clientId, ...toColumns(settings), createdAt: now, updatedAt: now });
    await this.audit.append(tenant, caller.actor, { action: 'universal-auth.attached', target: { kind: 'identity', id: identityId }, details: { ...settings, clientId } });
    return view;
  }
}

function alreadyAttached(): Conflict {
  return new Conflict('universal-auth', 'attached', 'The machine identity has Universal Auth already.');
}

function toColumns(settings: ClientSettings) {
  return {
    ttlSeconds: String(settings.ttlSeconds),
    maxTtlSeconds: String(settings.maxTtlSeconds),
    periodSeconds: String(settings.periodSeconds),
    usesLimit: String(settings.usesLimit),
    trustedAddresses: [...settings.trustedAddresses],
    clientSecretTrustedAddresses: [...settings.clientSecretTrustedAddresses],
    lockoutEnabled: settings.lockoutEnabled,
    lockoutThreshold: settings.lockoutThreshold,
    lockoutDurationSeconds: settings.lockoutDurationSeconds,
    lockoutCounterResetSeconds: settings.lockoutCounterResetSeconds,
  };
}

function toView(settings: UniversalAuthSettings): UniversalAuthView {
  return {
    id: settings.id,
    identityId: settings.identityId,
    clientId: settings.clientId,
    ttlSeconds: Number(settings.ttlSeconds),
    maxTtlSeconds: Number(settings.maxTtlSeconds),
    periodSeconds: Number(settings.periodSeconds),
    usesLimit: Number(settings.usesLimit),
    trustedAddresses: settings.trustedAddresses,
    clientSecretTrustedAddresses: settings.clientSecretTrustedAddresses,
    lockoutEnabled: settings.lockoutEnabled,
    lockoutThreshold: settings.lockoutThreshold,
    lockoutDurationSeconds: settings.lockoutDurationSeconds,
    lockoutCounterResetSeconds: settings.lockoutCounterResetSeconds,
    createdAt: settings.createdAt,
    updatedAt: settings.updatedAt,
  };
}
