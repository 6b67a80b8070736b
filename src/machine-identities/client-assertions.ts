import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { errors, importJWK, jwtVerify, type JWK, type JWTPayload } from 'jose';
import { Clock } from '../kernel/clock.js';
import type { Tenant } from '../kernel/database/database.js';
import { Instant } from '../kernel/instant.js';
import { PublicUrl } from '../kernel/public-url.js';
import { ClientKey } from './login-settings.entity.js';
import type { UniversalAuthView } from './universal-auth.service.js';

export const ASSERTION_ALGORITHMS = ['ES256', 'ES384', 'EdDSA', 'PS256', 'RS256'] as const;

/** The longest an assertion may live, in seconds: it is remembered so long that it is good once. */
export const ASSERTION_SECONDS_MAX = 300;
const CLOCK_LEEWAY_SECONDS = 30;
const LENGTH_MAX = 8 * 1024;

/** Says whose key signed a client assertion (RFC 7523 section 3), and that it was not presented before. */
@Injectable()
export class ClientAssertions {
  /** What the token endpoint is called by those who name it as audience; the issuer is accepted too. */
  private readonly audiences: readonly string[];

  constructor(
    publicUrl: PublicUrl,
    private readonly clock: Clock,
  ) {
    this.audiences = [publicUrl.value, `${publicUrl.value}/`, `${publicUrl.value}/oauth2/token`];
  }

  /** The client an assertion says it is of, before anything is proven; null where it says none. */
  static clientOf(assertion: string): string | null {
    try {
      const claims: unknown = JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString('utf8'));
      const subject = typeof claims === 'object' && claims !== null ? (claims as Record<string, unknown>)['sub'] : null;
      return typeof subject === 'string' ? subject : null;
    } catch {
      return null;
    }
  }

  /** The client's key that proves it; null for whatever is not a fresh assertion of this client for us. */
  async prove(tenant: Tenant, { id: settingsId, clientId }: UniversalAuthView, assertion: string): Promise<{ kind: 'client-key'; id: string } | null> {
    if (assertion.length > LENGTH_MAX) return null;
    const { organizationId, manager } = tenant;
    const now = this.clock.now();
    const keys = await manager.find(ClientKey, { where: { organizationId, settingsId }, order: { createdAt: 'DESC', id: 'ASC' } });
    for (const key of keys) {
      if (key.expiresAt && !now.isBefore(key.expiresAt)) continue;
      const claims = await this.verify(assertion, key, clientId, now);
      if (!claims) continue;
      if (!(await this.isFirst(tenant, settingsId, claims, now))) return null;
      // It may be removed meanwhile: then there is nothing to update; or else whoever removes it waits for us, and ends what we mint.
      const { affected } = await manager.update(ClientKey, { organizationId, id: key.id }, { lastUsedAt: now });
      return affected === 1 ? { kind: 'client-key', id: key.id } : null;
    }
    return null;
  }

  private async verify(assertion: string, { publicJwk, algorithm }: ClientKey, clientId: string, now: Instant): Promise<JWTPayload | null> {
    try {
      const { payload } = await jwtVerify(assertion, await importJWK(publicJwk as JWK, algorithm), {
        algorithms: [algorithm],
        issuer: clientId,
        subject: clientId,
        audience: [...this.audiences],
        requiredClaims: ['exp', 'jti'],
        clockTolerance: CLOCK_LEEWAY_SECONDS,
        currentDate: new Date(now.epochSeconds * 1000),
      });
      const { exp = 0, jti } = payload;
      return typeof jti === 'string' && jti !== '' && exp <= now.epochSeconds + ASSERTION_SECONDS_MAX + CLOCK_LEEWAY_SECONDS ? payload : null;
    } catch (error) {
      if (error instanceof errors.JOSEError) return null;
      throw error;
    }
  }

  private async isFirst({ organizationId, manager }: Tenant, settingsId: string, { jti = '', exp = 0 }: JWTPayload, now: Instant): Promise<boolean> {
    await manager.query('DELETE FROM client_assertions WHERE organization_id = $1 AND settings_id = $2 AND expires_at < $3', [organizationId, settingsId, now.toPostgres()]);
    const rows = await manager.query<object[]>(
      'INSERT INTO client_assertions (organization_id, settings_id, jti_hash, expires_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING 1 AS first',
      [organizationId, settingsId, createHash('sha256').update(jti).digest(), Instant.fromEpochSeconds(Math.ceil(exp) + CLOCK_LEEWAY_SECONDS).toPostgres()],
    );
    return rows.length === 1;
  }
}
