import { Injectable } from '@nestjs/common';
import { calculateJwkThumbprint, importJWK, type JWK } from 'jose';
import type { Principal } from '../access/principal.js';
import { AuditLog } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { isUniqueViolation } from '../kernel/database/database-failure.js';
import { Database } from '../kernel/database/database.js';
import { Conflict, DomainError, InputInvalid, NotFound } from '../kernel/failure.js';
import { isUuid, newId } from '../kernel/ids.js';
import type { Instant } from '../kernel/instant.js';
import { TokenEngine } from '../tokens/token-engine.js';
import { ASSERTION_ALGORITHMS } from './client-assertions.js';
import { ClientKey } from './login-settings.entity.js';
import { MachineIdentitiesService } from './machine-identities.service.js';
import { UniversalAuthService } from './universal-auth.service.js';

const KEYS_MAX = 10;

export interface NewClientKey {
  readonly name: string;
  readonly jwk: Readonly<Record<string, unknown>>;
  readonly expiresAt: Instant | null;
}

export interface ClientKeyView {
  readonly id: string;
  readonly clientId: string;
  readonly name: string;
  readonly thumbprint: string;
  readonly algorithm: string;
  readonly expiresAt: Instant | null;
  readonly createdAt: Instant;
  readonly lastUsedAt: Instant | null;
}

/** Public keys with which machine identities under Universal Auth prove themselves instead of a client secret. */
@Injectable()
export class ClientKeysService {
  constructor(
    private readonly database: Database,
    private readonly identities: MachineIdentitiesService,
    private readonly universalAuth: UniversalAuthService,
    private readonly tokens: TokenEngine,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** Throws `InputInvalid` for what is no public key of a known algorithm. The caller must hold whatever the identity may do. */
  async add(caller: Principal, identityId: string, { name, jwk, expiresAt }: NewClientKey): Promise<ClientKeyView> {
    const { publicJwk, algorithm, thumbprint } = await readKey(jwk);
    try {
      return await this.database.inOrganization(caller.organizationId, async (tenant) => {
        const settings = await this.universalAuth.requireChangeable(tenant, caller, identityId);
        const { organizationId, manager } = tenant;
        if ((await manager.countBy(ClientKey, { organizationId, settingsId: settings.id })) >= KEYS_MAX) {
          throw new DomainError('limit-exceeded', `There may be no more than ${KEYS_MAX} keys of a client.`, { resource: 'client-key', limit: KEYS_MAX });
        }
        const key = { id: newId(), name, thumbprint, algorithm, expiresAt, createdAt: this.clock.now(), lastUsedAt: null };
        await manager.insert(ClientKey, { ...key, organizationId, settingsId: settings.id, publicJwk });
        await this.audit.append(tenant, caller.actor, { action: 'client-key.created', target: { kind: 'client-key', id: key.id }, details: { identityId, name, thumbprint, algorithm, expiresAt } });
        return { ...key, clientId: settings.clientId };
      });
    } catch (error) {
      if (isUniqueViolation(error)) throw new Conflict('client-key', 'known', 'The client has this key already.');
      throw error;
    }
  }

  /** Newest first. */
  list(caller: Principal, identityId: string): Promise<ClientKeyView[]> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      await this.identities.requireIn(tenant, identityId);
      const { id: settingsId, clientId } = await this.universalAuth.requireAttached(tenant, identityId);
      const { organizationId, manager } = tenant;
      const keys = await manager.find(ClientKey, { where: { organizationId, settingsId }, order: { createdAt: 'DESC', id: 'ASC' } });
      return keys.map(({ id, name, thumbprint, algorithm, expiresAt, createdAt, lastUsedAt }) => ({ id, clientId, name, thumbprint, algorithm, expiresAt, createdAt, lastUsedAt }));
    });
  }

  /** Ends it and the tokens obtained with it at once. */
  remove(caller: Principal, identityId: string, id: string): Promise<void> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const { id: settingsId } = await this.universalAuth.requireChangeable(tenant, caller, identityId);
      const { organizationId, manager } = tenant;
      const { affected } = isUuid(id) ? await manager.delete(ClientKey, { organizationId, settingsId, id }) : { affected: 0 };
      if (affected !== 1) throw new NotFound('client-key', id);
      const revoked = await this.tokens.revokeAllIn(tenant, caller.actor, { identityId, clientSecretId: id }, 'client-key-removed');
      await this.audit.append(tenant, caller.actor, { action: 'client-key.removed', target: { kind: 'client-key', id }, details: { identityId, tokensRevoked: revoked } });
    });
  }
}

/** Members of a public key, by key type (RFC 7518 section 6, RFC 8037 section 2). */
const PUBLIC_MEMBERS: Readonly<Record<string, readonly string[]>> = { EC: ['crv', 'x', 'y'], OKP: ['crv', 'x'], RSA: ['n', 'e'] };
const RSA_BITS_MIN = 2048;

async function readKey(jwk: NewClientKey['jwk']): Promise<{ publicJwk: JWK; algorithm: string; thumbprint: string }> {
  const refuse = (message: string): InputInvalid => InputInvalid.at('jwk', 'jwk', message);
  if ('d' in jwk || 'k' in jwk) throw refuse('must be a public key: this one holds its private half');
  const type = typeof jwk['kty'] === 'string' ? jwk['kty'] : '';
  const members = PUBLIC_MEMBERS[type];
  const algorithm = ASSERTION_ALGORITHMS.find((known) => known === algorithmOf(jwk));
  if (!members || !algorithm || members.some((member) => typeof jwk[member] !== 'string')) {
    throw refuse(`must be a public key (RFC 7517) for one of ${ASSERTION_ALGORITHMS.join(', ')}`);
  }
  const publicJwk = { kty: type, ...Object.fromEntries(members.map((member) => [member, jwk[member]])) } as JWK;
  if (type === 'RSA' && Buffer.from(publicJwk.n ?? '', 'base64url').length * 8 < RSA_BITS_MIN) throw refuse(`must have ${RSA_BITS_MIN} or more bits`);
  try {
    await importJWK(publicJwk, algorithm);
    return { publicJwk, algorithm, thumbprint: await calculateJwkThumbprint(publicJwk) };
  } catch {
    throw refuse('must be a key that can verify signatures');
  }
}

/** What the key says it is for, or what its type is most used for. */
function algorithmOf({ alg, kty, crv }: NewClientKey['jwk']): unknown {
  if (kty === 'EC') return crv === 'P-256' ? 'ES256' : crv === 'P-384' ? 'ES384' : null;
  if (kty === 'OKP') return crv === 'Ed25519' ? 'EdDSA' : null;
  return kty === 'RSA' ? (alg ?? 'RS256') : null;
}
