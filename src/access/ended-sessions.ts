import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { Maintenance } from '../kernel/maintenance/maintenance.js';
import { purge } from '../kernel/maintenance/purge.js';

const EVERY_SECONDS = 3600;
const SESSIONS_KEPT_SECONDS = 30 * 24 * 3600;

/** Forgets refresh tokens when they expire, and sessions 30 days after they could last have been used. */
@Injectable()
export class EndedSessions implements OnModuleInit {
  constructor(
    private readonly maintenance: Maintenance,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    const condition = 't.expires_at < $2';
    this.maintenance.add({
      name: 'refresh-tokens.purge',
      everySeconds: EVERY_SECONDS,
      inOrganization: (tenant, limit) => purge(tenant, { table: 'refresh_tokens', condition, before: this.clock.now(), limit }),
    });
    this.maintenance.add({
      name: 'sessions.purge',
      everySeconds: EVERY_SECONDS,
      inOrganization: (tenant, limit) => purge(tenant, { table: 'sessions', condition, before: this.clock.now().plusSeconds(-SESSIONS_KEPT_SECONDS), limit }),
    });
  }
}
