import { Global, Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { AccessGuard } from './access/access.guard.js';
import { AccessModule } from './access/access.module.js';
import { AuditTrailModule } from './audit-trail/audit-trail.module.js';
import { AuthMethodsModule } from './auth-methods/auth-methods.module.js';
import { CredentialsModule } from './credentials/credentials.module.js';
import { DOORS } from './doors.js';
import { IdempotencyInterceptor } from './idempotency/idempotency.interceptor.js';
import { IdempotencyModule } from './idempotency/idempotency.module.js';
import { ImportModule } from './import/import.module.js';
import { InventoryModule } from './inventory/inventory.module.js';
import { Background } from './kernel/background.js';
import { Clock } from './kernel/clock.js';
import { Database } from './kernel/database/database.js';
import { Invalidations } from './kernel/database/invalidations.js';
import type { OpenDatabase } from './kernel/database/open-database.js';
import { DialectFilter } from './kernel/http/dialect.filter.js';
import { Doors } from './kernel/http/doors.js';
import { InputPipe } from './kernel/http/input.pipe.js';
import { OutageInterceptor } from './kernel/http/outage.interceptor.js';
import { problemDoor } from './kernel/http/problem.js';
import { RouteTable } from './kernel/http/route-table.js';
import { KeyRing } from './kernel/key-ring.js';
import { Maintenance } from './kernel/maintenance/maintenance.js';
import { MaintenanceRunner } from './kernel/maintenance/maintenance-runner.js';
import { CreationQuota } from './kernel/limits/creation-quota.js';
import { RateLimits } from './kernel/limits/rate-limits.js';
import { SharedWindows } from './kernel/limits/shared-windows.js';
import { Mailer } from './kernel/mail/mailer.js';
import { OutgoingAddresses } from './kernel/outgoing-addresses.js';
import { PublicUrl } from './kernel/public-url.js';
import { RefusalQueue } from './kernel/refusal-queue.js';
import { Retention } from './kernel/retention.js';
import { MachineIdentitiesModule } from './machine-identities/machine-identities.module.js';
import { NoticesModule } from './notices/notices.module.js';
import { OAuth2Module } from './oauth2/oauth2.module.js';
import { OperationsModule } from './operations/operations.module.js';
import { OrganizationsModule } from './organizations/organizations.module.js';
import { ProjectsModule } from './projects/projects.module.js';
import { UsersModule } from './users/users.module.js';

/** What is known before the application exists. */
export interface Foundations {
  readonly database: OpenDatabase;
  readonly keys: KeyRing;
  readonly publicUrl: PublicUrl;
  readonly mailer: Mailer;
  readonly clock: Clock;
  readonly routes: RouteTable;
  readonly doors: Doors;
  readonly retention: Retention;
  readonly outgoing: OutgoingAddresses;
  readonly background: Background;
  readonly limits: RateLimits;
  readonly sharedWindows: SharedWindows;
  readonly creations: CreationQuota;
}

export function openDoors(): Doors {
  return new Doors(DOORS, problemDoor);
}

@Global()
@Module({})
class KernelModule {
  static on({ database, keys, publicUrl, mailer, clock, routes, doors, retention, outgoing, background, limits, sharedWindows, creations }: Foundations): DynamicModule {
    return {
      module: KernelModule,
      imports: [TypeOrmModule.forRoot({ ...database.dataSourceOptions, autoLoadEntities: true, retryAttempts: 0 })],
      providers: [
        { provide: Database, inject: [DataSource], useFactory: (dataSource: DataSource) => new Database(dataSource, database.keepsSessions) },
        { provide: KeyRing, useValue: keys },
        { provide: PublicUrl, useValue: publicUrl },
        { provide: Mailer, useFactory: () => mailer },
        { provide: Clock, useValue: clock },
        { provide: RouteTable, useValue: routes },
        { provide: Doors, useValue: doors },
        { provide: Retention, useValue: retention },
        { provide: OutgoingAddresses, useValue: outgoing },
        { provide: Background, useValue: background },
        { provide: RateLimits, useValue: limits },
        { provide: CreationQuota, useValue: creations },
        { provide: SharedWindows, useFactory: () => sharedWindows },
        Maintenance,
        RefusalQueue,
        {
          provide: Invalidations,
          inject: [Database, Maintenance],
          useFactory: (data: Database, maintenance: Maintenance) => new Invalidations(data, database.connectListener, maintenance),
        },
        MaintenanceRunner,
      ],
      exports: [Database, Invalidations, KeyRing, PublicUrl, Mailer, Clock, RouteTable, Doors, Retention, OutgoingAddresses, Background, RateLimits, CreationQuota, Maintenance, RefusalQueue],
    };
  }
}

@Module({})
export class AppModule {
  static on(foundations: Foundations): DynamicModule {
    return {
      module: AppModule,
      imports: [
        KernelModule.on(foundations),
        AccessModule,
        IdempotencyModule,
        UsersModule,
        ProjectsModule,
        OrganizationsModule,
        CredentialsModule,
        MachineIdentitiesModule,
        AuthMethodsModule,
        OAuth2Module,
        InventoryModule,
        ImportModule,
        AuditTrailModule,
        NoticesModule,
        OperationsModule,
      ],
      providers: [
        { provide: APP_GUARD, useExisting: AccessGuard },
        { provide: APP_INTERCEPTOR, useClass: OutageInterceptor },
        { provide: APP_INTERCEPTOR, useClass: IdempotencyInterceptor },
        { provide: APP_PIPE, useClass: InputPipe },
        { provide: APP_FILTER, useClass: DialectFilter },
      ],
    };
  }
}
