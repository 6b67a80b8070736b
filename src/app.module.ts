import { Global, Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccessGuard } from './access/access.guard.js';
import { AccessModule } from './access/access.module.js';
import { AuditTrailModule } from './audit-trail/audit-trail.module.js';
import { AuthMethodsModule } from './auth-methods/auth-methods.module.js';
import { DOORS } from './doors.js';
import { InventoryModule } from './inventory/inventory.module.js';
import { Clock } from './kernel/clock.js';
import { Database } from './kernel/database/database.js';
import type { OpenDatabase } from './kernel/database/open-database.js';
import { DialectFilter } from './kernel/http/dialect.filter.js';
import { Doors } from './kernel/http/doors.js';
import { InputPipe } from './kernel/http/input.pipe.js';
import { problemDoor } from './kernel/http/problem.js';
import { RouteTable } from './kernel/http/route-table.js';
import { KeyRing } from './kernel/key-ring.js';
import { PublicUrl } from './kernel/public-url.js';
import { MachineIdentitiesModule } from './machine-identities/machine-identities.module.js';
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
  readonly clock: Clock;
  readonly routes: RouteTable;
  readonly doors: Doors;
}

export function openDoors(): Doors {
  return new Doors(DOORS, problemDoor);
}

@Global()
@Module({})
class KernelModule {
  static on({ database, keys, publicUrl, clock, routes, doors }: Foundations): DynamicModule {
    return {
      module: KernelModule,
      imports: [TypeOrmModule.forRoot({ ...database.dataSourceOptions, autoLoadEntities: true, retryAttempts: 0 })],
      providers: [
        Database,
        { provide: KeyRing, useValue: keys },
        { provide: PublicUrl, useValue: publicUrl },
        { provide: Clock, useValue: clock },
        { provide: RouteTable, useValue: routes },
        { provide: Doors, useValue: doors },
      ],
      exports: [Database, KeyRing, PublicUrl, Clock, RouteTable, Doors],
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
        UsersModule,
        ProjectsModule,
        OrganizationsModule,
        MachineIdentitiesModule,
        AuthMethodsModule,
        OAuth2Module,
        InventoryModule,
        AuditTrailModule,
        OperationsModule,
      ],
      providers: [
        { provide: APP_GUARD, useClass: AccessGuard },
        { provide: APP_PIPE, useClass: InputPipe },
        { provide: APP_FILTER, useClass: DialectFilter },
      ],
    };
  }
}
