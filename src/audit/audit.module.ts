import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditCheckpoint, AuditLink } from './audit-chain.entity.js';
import { AuditEvent } from './audit-event.entity.js';
import { AuditLog } from './audit-log.js';
import { AuditTrail } from './audit-trail.js';
import { SpeltEvents } from './spelt-events.js';

@Module({
  imports: [TypeOrmModule.forFeature([AuditEvent, AuditLink, AuditCheckpoint])],
  providers: [AuditLog, AuditTrail, SpeltEvents],
  exports: [AuditLog, AuditTrail, SpeltEvents],
})
export class AuditModule {}
