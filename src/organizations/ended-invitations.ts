import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { Maintenance } from '../kernel/maintenance/maintenance.js';
import { purge } from '../kernel/maintenance/purge.js';

const EVERY_SECONDS = 3600;
const KEPT_SECONDS = 30 * 24 * 3600;

/** Forgets invitations, accepted or not, 30 days after their end. */
@Injectable()
export class EndedInvitations implements OnModuleInit {
  constructor(
    private readonly maintenance: Maintenance,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.maintenance.add({
      name: 'invitations.purge',
      everySeconds: EVERY_SECONDS,
      inOrganization: (tenant, limit) => purge(tenant, { table: 'invitations', condition: 't.expires_at < $2', before: this.clock.now().plusSeconds(-KEPT_SECONDS), limit }),
    });
  }
}
