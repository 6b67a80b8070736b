import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { SigningKeys } from '../access/signing-keys.js';
import { AuditSealer } from '../audit/audit-sealer.js';
import { SpeltEvents } from '../audit/spelt-events.js';
import { Background } from '../kernel/background.js';
import { Clock } from '../kernel/clock.js';
import { Database } from '../kernel/database/database.js';
import { AuditExports } from './audit-exports.service.js';
import { AuditTrailController } from './audit-trail.controller.js';

@Module({
  imports: [AccessModule],
  controllers: [AuditTrailController],
  providers: [
    AuditExports,
    {
      provide: AuditSealer,
      inject: [Database, SigningKeys, SpeltEvents, Clock, Background],
      useFactory: (database: Database, keys: SigningKeys, spelt: SpeltEvents, clock: Clock, background: Background) => new AuditSealer(database, keys, spelt, clock, background),
    },
  ],
})
export class AuditTrailModule {}
