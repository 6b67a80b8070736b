import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import type { Tenant } from '../kernel/database/database.js';
import { Maintenance } from '../kernel/maintenance/maintenance.js';
import { purge } from '../kernel/maintenance/purge.js';
import { networkOf } from '../kernel/network.js';
import { ClientLockout } from './login-settings.entity.js';
import type { UniversalAuthView } from './universal-auth.service.js';

const FORGOTTEN_AT_ONCE = 100;
const FORGOTTEN_EVERY_SECONDS = 3600;

/**
 * Counts failed logins of a client per source, in the database and so for all replicas. Whoever guesses locks out
 * where they guess from, and never the client's owner elsewhere.
 */
@Injectable()
export class ClientLockouts implements OnModuleInit {
  constructor(
    private readonly clock: Clock,
    private readonly maintenance: Maintenance,
  ) {}

  onModuleInit(): void {
    this.maintenance.add({
      name: 'client-lockouts.purge',
      everySeconds: FORGOTTEN_EVERY_SECONDS,
      inOrganization: (tenant, limit) => purge(tenant, { table: 'client_lockouts', condition: 't.expires_at < $2', before: this.clock.now(), limit }),
    });
  }

  async isLockedOut({ organizationId, manager }: Tenant, { id, lockoutEnabled }: UniversalAuthView, ip: string): Promise<boolean> {
    if (!lockoutEnabled) return false;
    const [row] = await manager.query<{ locked: boolean }[]>(
      `SELECT locked FROM client_lockouts WHERE organization_id = $1 AND settings_id = $2 AND source = $3 AND expires_at > $4`,
      [organizationId, id, networkOf(ip), this.clock.now().toPostgres()],
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
       VALUES ($1, $2, $3, 1, false, $4)
       ON CONFLICT (settings_id, source) DO UPDATE
         SET failures = CASE WHEN known.expires_at > $5 THEN known.failures + 1 ELSE 1 END, locked = false, expires_at = $4
         WHERE NOT (known.locked AND known.expires_at > $5)
       RETURNING failures`,
      [organizationId, settings.id, networkOf(ip), until.toPostgres(), now.toPostgres()],
    );
    if (!row || row.failures < settings.lockoutThreshold) return false;
    await manager.query(
      `UPDATE client_lockouts SET locked = true, expires_at = $4 WHERE organization_id = $1 AND settings_id = $2 AND source = $3`,
      [organizationId, settings.id, networkOf(ip), now.plusSeconds(settings.lockoutDurationSeconds).toPostgres()],
    );
    return true;
  }

  /** A login from there has succeeded. */
  async forgive({ organizationId, manager }: Tenant, { id }: UniversalAuthView, ip: string): Promise<void> {
    await manager.query(`DELETE FROM client_lockouts WHERE organization_id = $1 AND settings_id = $2 AND source = $3`, [organizationId, id, networkOf(ip)]);
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
