import { Injectable } from '@nestjs/common';
import { In, IsNull } from 'typeorm';
import type { Principal } from '../access/principal.js';
import { AuditLog } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { NotFound } from '../kernel/failure.js';
import { isUuid, newId } from '../kernel/ids.js';
import type { Instant } from '../kernel/instant.js';
import { TokenEngine } from '../tokens/token-engine.js';
import { drawSecret, hasValidChecksum, SecretHasher } from '../tokens/token-secret.js';
import { ClientLockouts } from './client-lockouts.js';
import { ClientSecret } from './login-settings.entity.js';
import { MachineIdentitiesService } from './machine-identities.service.js';
import { UniversalAuthService } from './universal-auth.service.js';

export const CLIENT_SECRET_PREFIX = 'ics_';
/** The look and four random characters: enough to tell secrets apart, and nothing an attacker could use. */
const SHOWN_LENGTH = CLIENT_SECRET_PREFIX.length + 4;

export interface NewClientSecret {
  readonly description: string;
  /** 0: as long as it is not revoked. */
  readonly ttlSeconds: number;
  /** 0: as often as may be. */
  readonly usesLimit: number;
}

/** A client secret as it may be shown: neither secret nor hash. */
export interface ClientSecretView extends NewClientSecret {
  readonly id: string;
  readonly settingsId: string;
  readonly prefix: string;
  readonly useCount: number;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
  readonly revokedAt: Instant | null;
}

/** Client secrets of machine identities under Universal Auth; stored as hashes, shown once. */
@Injectable()
export class ClientSecretsService {
  constructor(
    private readonly database: Database,
    private readonly identities: MachineIdentitiesService,
    private readonly universalAuth: UniversalAuthService,
    private readonly lockouts: ClientLockouts,
    private readonly tokens: TokenEngine,
    private readonly hasher: SecretHasher,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** The secret is in the answer and nowhere else. The caller must hold whatever the identity may do. */
  create(caller: Principal, identityId: string, { description, ttlSeconds, usesLimit }: NewClientSecret): Promise<{ view: ClientSecretView; secret: string }> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const { id: settingsId } = await this.universalAuth.requireChangeable(tenant, caller, identityId);
      const secret = drawSecret(CLIENT_SECRET_PREFIX);
      const { hash, pepperId } = this.hasher.hash(secret);
      const now = this.clock.now();
      const view: ClientSecretView = {
        id: newId(),
        settingsId,
        prefix: secret.slice(0, SHOWN_LENGTH),
        description,
        ttlSeconds,
        usesLimit,
        useCount: 0,
        createdAt: now,
        updatedAt: now,
        revokedAt: null,
      };
      await tenant.manager.insert(ClientSecret, {
        organizationId: tenant.organizationId,
        id: view.id,
        settingsId,
        secretHash: hash,
        pepperId,
        prefix: view.prefix,
        description,
        ttlSeconds: String(ttlSeconds),
        usesLimit: String(usesLimit),
        useCount: '0',
        createdAt: now,
        updatedAt: now,
      });
      const details = { identityId, description, ttlSeconds, usesLimit };
      await this.audit.append(tenant, caller.actor, { action: 'client-secret.created', target: { kind: 'client-secret', id: view.id }, details });
      return { view, secret };
    });
  }

  /** Oldest first; revoked ones stay listed. */
  list(caller: Principal, identityId: string): Promise<ClientSecretView[]> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const { organizationId, manager } = tenant;
      const settingsId = await this.settingsToSee(tenant, identityId);
      const secrets = await manager.find(ClientSecret, { where: { organizationId, settingsId }, order: { createdAt: 'ASC', id: 'ASC' } });
      return secrets.map(toView);
    });
  }

  get(caller: Principal, identityId: string, id: string): Promise<ClientSecretView> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => toView(await this.findIn(tenant, await this.settingsToSee(tenant, identityId), id)));
  }

  /** Ends it and the tokens obtained with it at once; revoking it again changes nothing. */
  revoke(caller: Principal, identityId: string, id: string): Promise<ClientSecretView> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const { id: settingsId } = await this.universalAuth.requireChangeable(tenant, caller, identityId);
      const secret = await this.findIn(tenant, settingsId, id);
      const now = this.clock.now();
      const live = { organizationId: tenant.organizationId, id: secret.id, revokedAt: IsNull() };
      const { affected } = await tenant.manager.update(ClientSecret, live, { revokedAt: now, revokedBy: caller.actor.id, updatedAt: now });
      if (affected !== 1) return toView(secret);
      const revoked = await this.tokens.revokeAllIn(tenant, caller.actor, { identityId, clientSecretId: secret.id }, 'client-secret-revoked');
      await this.audit.append(tenant, caller.actor, { action: 'client-secret.revoked', target: { kind: 'client-secret', id: secret.id }, details: { tokensRevoked: revoked } });
      return { ...toView(secret), revokedAt: now, updatedAt: now };
    });
  }

  /** Opens the client to every source again; tells how many were counted or locked out. */
  clearLockouts(caller: Principal, identityId: string): Promise<number> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const cleared = await this.lockouts.clear(tenant, await this.settingsToSee(tenant, identityId));
      if (cleared > 0) await this.audit.append(tenant, caller.actor, { action: 'client-lockouts.cleared', target: { kind: 'identity', id: identityId }, details: { cleared } });
      return cleared;
    });
  }

  /** The client's secret that was presented, unless it was revoked; null for every other text. */
  async findPresented({ organizationId, manager }: Tenant, settingsId: string, presented: string): Promise<ClientSecretView | null> {
    if (!hasValidChecksum(presented)) return null;
    const found = await manager.findOneBy(ClientSecret, { organizationId, settingsId, secretHash: In([...this.hasher.hashes(presented)]), revokedAt: IsNull() });
    if (!found) return null;
    if (!this.hasher.isCurrent(found.pepperId)) {
      const { hash, pepperId } = this.hasher.hash(presented);
      await manager.update(ClientSecret, { organizationId, id: found.id }, { secretHash: hash, pepperId });
    }
    return toView(found);
  }

  /** Counts one login; false when none was left or the secret was revoked meanwhile. */
  async takeUse({ organizationId, manager }: Tenant, id: string): Promise<boolean> {
    const { affected } = await manager
      .createQueryBuilder()
      .update(ClientSecret)
      .set({ useCount: () => 'use_count + 1' })
      .where('organization_id = :organizationId AND id = :id AND revoked_at IS NULL AND (uses_limit = 0 OR use_count < uses_limit)', { organizationId, id })
      .execute();
    return affected === 1;
  }

  private async settingsToSee(tenant: Tenant, identityId: string): Promise<string> {
    await this.identities.requireIn(tenant, identityId);
    return (await this.universalAuth.requireAttached(tenant, identityId)).id;
  }

  private async findIn({ organizationId, manager }: Tenant, settingsId: string, id: string): Promise<ClientSecret> {
    const secret = isUuid(id) ? await manager.findOneBy(ClientSecret, { organizationId, settingsId, id }) : null;
    if (!secret) throw new NotFound('client-secret', id);
    return secret;
  }
}

function toView(secret: ClientSecret): ClientSecretView {
  return {
    id: secret.id,
    settingsId: secret.settingsId,
    prefix: secret.prefix,
    description: secret.description,
    ttlSeconds: Number(secret.ttlSeconds),
    usesLimit: Number(secret.usesLimit),
    useCount: Number(secret.useCount),
    createdAt: secret.createdAt,
    updatedAt: secret.updatedAt,
    revokedAt: secret.revokedAt,
  };
}
