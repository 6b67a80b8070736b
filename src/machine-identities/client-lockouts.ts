import { isIP } from 'node:net';
import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import type { Tenant } from '../kernel/database/database.js';
import { ClientLockout } from './login-settings.entity.js';
import type { UniversalAuthView } from './universal-auth.service.js';

/** One IPv4 address, or the network of 64 bits that one IPv6 customer has. */
const SOURCE = (placeholder: string): string =>
  `network(set_masklen(${placeholder}::inet, CASE family(${placeholder}::inet) WHEN 4 THEN 32 ELSE 64 END))::cidr`;

const FORGOTTEN_AT_ONCE = 100;

/**
 * Counts failed logins of a client per source, in the database and so for all replicas. Whoever guesses locks out
 * where they guess from, and never the client's owner elsewhere.
 */
@Injectable()
export class ClientLockouts {
  constructor(private readonly clock: Clock) {}

  async isLockedOut({ organizationId, manager }: Tenant, { id, lockoutEnabled }: UniversalAuthView, ip: string): Promise<boolean> {
    if (!lockoutEnabled) return false;
    const [row] = await manager.query<{ locked: boolean }[]>(
      `SELECT locked FROM client_lockouts WHERE organization_id = $1 AND settings_id = $2 AND source = ${SOURCE('$3')} AND expires_at > $4`,
      [organizationId, id, toAddress(ip), this.clock.now().toPostgres()],
    );
    return row?.locked === true;
  }

  /** Counts one failure; true when it was the one that locks the source out. */
  async countFailure({ organizationId, manager }: Tenant, settings: UniversalAuthView, ip: string): Promise<boolean> {
    if (!settings.lockoutEnabled) return false;
    const now = this.clock.now();
    await this.forgetExpired({ organizationId, manager }, settings.id);
    const until = now.plusSeconds(settings.lockoutCounterResetSeconds);
    const [row] = await manager.query<{ failures: number }[]>(
      `INSERT INTO client_lockouts AS known (organization_id, settings_id, source, failures, locked, expires_at)
       VALUES ($1, $2, ${SOURCE('$3')}, 1, false, $4)
       ON CONFLICT (settings_id, source) DO UPDATE
         SET failures = CASE WHEN known.expires_at > $5 THEN known.failures + 1 ELSE 1 END, locked = false, expires_at = $4
         WHERE NOT (known.locked AND known.expires_at > $5)
       RETURNING failures`,
      [organizationId, settings.id, toAddress(ip), until.toPostgres(), now.toPostgres()],
    );
    if (!row || row.failures < settings.lockoutThreshold) return false;
    await manager.query(
      `UPDATE client_lockouts SET locked = true, expires_at = $4 WHERE organization_id = $1 AND settings_id = $2 AND source = ${SOURCE('$3')}`,
      [organizationId, settings.id, toAddress(ip), now.plusSeconds(settings.lockoutDurationSeconds).toPostgres()],
    );
    return true;
  }

  /** A login from there has succeeded. */
  async forgive({ organizationId, manager }: Tenant, { id }: UniversalAuthView, ip: string): Promise<void> {
    await manager.query(`DELETE FROM client_lockouts WHERE organization_id = $1 AND settings_id = $2 AND source = ${SOURCE('$3')}`, [organizationId, id, toAddress(ip)]);
  }

  /** Tells how many sources were counted or locked out. */
  async clear(tenant: Tenant, settingsId: string): Promise<number> {
    const { organizationId, manager } = tenant;
    await this.forgetExpired(tenant, settingsId);
    const { affected } = await manager.delete(ClientLockout, { organizationId, settingsId });
    return affected ?? 0;
  }

  /** Skips what others are at: nobody waits for housekeeping. */
  private async forgetExpired({ organizationId, manager }: Tenant, settingsId: string): Promise<void> {
    await manager.query(
      `DELETE FROM client_lockouts WHERE (settings_id, source) IN (
         SELECT settings_id, source FROM client_lockouts WHERE organization_id = $1 AND settings_id = $2 AND expires_at <= $3
         LIMIT ${FORGOTTEN_AT_ONCE} FOR UPDATE SKIP LOCKED)`,
      [organizationId, settingsId, this.clock.now().toPostgres()],
    );
  }
}

/** Without the zone of a link-local address, and as IPv4 where it is one in IPv6's clothes. */
function toAddress(ip: string): string {
  const plain = ip.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '');
  return isIP(plain) === 0 ? '0.0.0.0' : plain;
}
