import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { Maintenance } from '../kernel/maintenance/maintenance.js';
import { Retention } from '../kernel/retention.js';
import { TokenEnds } from './token-ends.js';

const EVERY_SECONDS = 3600;

/** Forgets tokens that were revoked or have expired, when their time of being listed is over. The record of them stays. */
@Injectable()
export class EndedTokens implements OnModuleInit {
  constructor(
    private readonly maintenance: Maintenance,
    private readonly retention: Retention,
    private readonly ends: TokenEnds,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.maintenance.add({
      name: 'tokens.purge',
      everySeconds: EVERY_SECONDS,
      inOrganization: (tenant, limit) => this.ends.purgeEndedIn(tenant, this.clock.now().plusSeconds(-this.retention.tokenSeconds), limit),
    });
  }
}
