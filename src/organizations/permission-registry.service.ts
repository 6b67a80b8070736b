import { Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import { AuditLog } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { isUniqueViolation } from '../kernel/database/database-failure.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { Conflict, InputInvalid, NotFound } from '../kernel/failure.js';
import { PERMISSION_DESCRIPTIONS } from '../tokens/permission-descriptions.js';
import { knownPermissions, PLATFORM_PERMISSIONS, TENANT_PERMISSIONS, type Permission } from '../tokens/permissions.js';
import { lockOrganization, TooMany } from './organization-lock.js';
import { RegisteredPermission } from './registered-permission.entity.js';

/** All of them are read at every verification. */
const REGISTERED_MAX = 500;
const OWN: readonly string[] = [...TENANT_PERMISSIONS, ...PLATFORM_PERMISSIONS];

/** A permission that a role can hold. */
export interface KnownPermission {
  readonly key: string;
  readonly description: string;
  /** Of the service itself, not registered by the operator. */
  readonly builtIn: boolean;
}

/** Which permissions there are: the service's own, and those of the operator's product, which come and go. */
@Injectable()
export class PermissionRegistry {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** Keys of those that are registered at this moment. */
  async registeredIn({ manager }: Tenant): Promise<readonly string[]> {
    const permissions = await manager.find(RegisteredPermission, { select: { key: true } });
    return permissions.map(({ key }) => key);
  }

  /** All that can be held in the caller's organization, by key. */
  async list({ organizationId, organization }: Principal): Promise<KnownPermission[]> {
    const registered = await this.database.inOrganization(organizationId, ({ manager }) => manager.find(RegisteredPermission));
    const descriptions: Readonly<Record<string, string>> = {
      ...Object.fromEntries(registered.map(({ key, description }) => [key, description])),
      ...PERMISSION_DESCRIPTIONS,
    };
    return [...knownPermissions(registered.map(({ key }) => key), organization.platform)]
      .sort()
      .map((key) => ({ key, description: descriptions[key] ?? '', builtIn: isBuiltIn(key) }));
  }

  /** From now on every tenant can put it into roles, and administrators hold it. Only for the platform's organization. */
  async register(caller: Principal, key: string, description: string): Promise<KnownPermission> {
    if (key.startsWith('platform:')) throw InputInvalid.at('key', 'platform', 'must not begin with platform', key);
    if (isBuiltIn(key)) throw new Conflict('permission', 'built-in', 'The service has a permission of this key itself.');
    try {
      await this.database.asPlatform(caller.organizationId, async (platform) => {
        await lockOrganization(platform);
        if ((await platform.manager.count(RegisteredPermission)) >= REGISTERED_MAX) throw new TooMany('permission', REGISTERED_MAX);
        const createdBy = caller.actor.id ?? caller.organizationId;
        await platform.manager.insert(RegisteredPermission, { key, description, createdAt: this.clock.now(), createdBy });
        await this.audit.append(platform, caller.actor, { action: 'permission.registered', target: { kind: 'permission', id: null }, details: { key, description } });
      });
    } catch (error) {
      if (isUniqueViolation(error)) throw new Conflict('permission', 'taken', 'A permission of this key is registered already.');
      throw error;
    }
    return { key, description, builtIn: false };
  }

  /**
   * From now on it has no effect anywhere, in whichever role or token it stands; registered again, it has. Only for the
   * platform's organization. Throws `NotFound` where none such is registered.
   */
  async retire(caller: Principal, key: string): Promise<void> {
    if (isBuiltIn(key)) throw new Conflict('permission', 'built-in', 'A permission of the service itself cannot be retired.');
    await this.database.asPlatform(caller.organizationId, async (platform) => {
      const { affected } = await platform.manager.delete(RegisteredPermission, { key });
      if (affected !== 1) throw new NotFound('permission', key);
      await this.audit.append(platform, caller.actor, { action: 'permission.retired', target: { kind: 'permission', id: null }, details: { key } });
    });
  }
}

function isBuiltIn(key: string): key is Permission {
  return OWN.includes(key);
}
