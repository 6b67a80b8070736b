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
import { TokenAuthSettings } from './login-settings.entity.js';
import { MachineIdentitiesService } from './machine-identities.service.js';

export interface TokenAuthView extends AccessTokenSettings {
  readonly id: string;
  readonly identityId: string;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
}

/** Token Auth of machine identities: whether tokens may be minted for them, and how those live. */
@Injectable()
export class TokenAuthService {
  constructor(
    private readonly database: Database,
    private readonly identities: MachineIdentitiesService,
    private readonly tokens: TokenEngine,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  async attach(caller: Principal, identityId: string, settings: AccessTokenSettings): Promise<TokenAuthView> {
    try {
      return await this.database.inOrganization(caller.organizationId, (tenant) => this.attachIn(tenant, caller, identityId, settings));
    } catch (error) {
      // Two attached it at once.
      if (isUniqueViolation(error)) throw alreadyAttached();
      throw error;
    }
  }

  /** What is left out stays. Tokens that exist keep their life; addresses are judged by the new list at once. */
  update(caller: Principal, identityId: string, change: Partial<AccessTokenSettings>): Promise<TokenAuthView> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const identity = await this.identities.requireIn(tenant, identityId);
      const current = toView(await this.lockIn(tenant, identityId, 'pessimistic_write'));
      const settings = { ...current, ...change, updatedAt: this.clock.now() };
      requireTtlWithinMax('token-auth', settings);
      await this.identities.requireCovered(tenant, caller, identity);
      const { organizationId, manager } = tenant;
      await manager.update(TokenAuthSettings, { organizationId, identityId }, { ...toColumns(settings), updatedAt: settings.updatedAt });
      await this.audit.append(tenant, caller.actor, { action: 'token-auth.updated', target: { kind: 'identity', id: identityId }, ...difference(current, change) });
      return settings;
    });
  }

  /** Throws `NotFound` for an identity without Token Auth. */
  get(caller: Principal, identityId: string): Promise<TokenAuthView> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      await this.identities.requireIn(tenant, identityId);
      const found = await this.findIn(tenant, identityId);
      if (!found) throw new NotFound('token-auth', identityId);
      return toView(found);
    });
  }

  /** Ends the tokens that were minted for the identity; those it obtained in another way live on. */
  detach(caller: Principal, identityId: string): Promise<TokenAuthView> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const identity = await this.identities.requireIn(tenant, identityId);
      const settings = toView(await this.lockIn(tenant, identityId, 'pessimistic_write'));
      await this.identities.requireCovered(tenant, caller, identity);
      await tenant.manager.delete(TokenAuthSettings, { organizationId: tenant.organizationId, identityId });
      const revoked = await this.tokens.revokeAllIn(tenant, caller.actor, { identityId, clientSecretId: null }, 'token-auth-detached');
      await this.audit.append(tenant, caller.actor, { action: 'token-auth.detached', target: { kind: 'identity', id: identityId }, details: { tokensRevoked: revoked } });
      return settings;
    });
  }

  /** The settings, which are not detached until the transaction ends. Throws `Conflict` for an identity without Token Auth. */
  async lockIn(tenant: Tenant, identityId: string, mode: 'for_key_share' | 'pessimistic_write'): Promise<TokenAuthSettings> {
    const { organizationId, manager } = tenant;
    const found = await manager.findOne(TokenAuthSettings, { where: { organizationId, identityId }, lock: { mode } });
    if (!found) throw notAttached();
    return found;
  }

  /** Throws `Conflict` for an identity without Token Auth. */
  async requireAttached(tenant: Tenant, identityId: string): Promise<void> {
    if (!(await this.findIn(tenant, identityId))) throw notAttached();
  }

  private findIn({ organizationId, manager }: Tenant, identityId: string): Promise<TokenAuthSettings | null> {
    return manager.findOneBy(TokenAuthSettings, { organizationId, identityId });
  }

  private async attachIn(tenant: Tenant, caller: Principal, identityId: string, settings: AccessTokenSettings): Promise<TokenAuthView> {
    const identity = await this.identities.requireIn(tenant, identityId);
    if (await this.findIn(tenant, identityId)) throw alreadyAttached();
    requireTtlWithinMax('token-auth', settings);
    await this.identities.requireCovered(tenant, caller, identity);
    const now = this.clock.now();
    const view = { ...settings, id: newId(), identityId, createdAt: now, updatedAt: now };
    await tenant.manager.insert(TokenAuthSettings, { organizationId: tenant.organizationId, id: view.id, identityId, ...toColumns(settings), createdAt: now, updatedAt: now });
    await this.audit.append(tenant, caller.actor, { action: 'token-auth.attached', target: { kind: 'identity', id: identityId }, details: { ...settings } });
    return view;
  }
}

function alreadyAttached(): Conflict {
  return new Conflict('token-auth', 'attached', 'The machine identity has Token Auth already.');
}

function notAttached(): Conflict {
  return new Conflict('token-auth', 'not-attached', 'The machine identity does not have Token Auth.');
}

function toColumns({ ttlSeconds, maxTtlSeconds, usesLimit, trustedAddresses }: AccessTokenSettings) {
  return { ttlSeconds: String(ttlSeconds), maxTtlSeconds: String(maxTtlSeconds), usesLimit: String(usesLimit), trustedAddresses: [...trustedAddresses] };
}

export function toView({ id, identityId, ttlSeconds, maxTtlSeconds, usesLimit, trustedAddresses, createdAt, updatedAt }: TokenAuthSettings): TokenAuthView {
  return {
    id,
    identityId,
    ttlSeconds: Number(ttlSeconds),
    maxTtlSeconds: Number(maxTtlSeconds),
    usesLimit: Number(usesLimit),
    trustedAddresses,
    createdAt,
    updatedAt,
  };
}
