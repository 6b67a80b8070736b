import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import { Clock } from '../kernel/clock.js';
import type { Tenant } from '../kernel/database/database.js';
import { NotFound } from '../kernel/failure.js';
import { isUuid, newId } from '../kernel/ids.js';
import { BUILT_IN_ROLES, permissionsOfRole } from '../tokens/permissions.js';
import { RoleRecord } from './role.entity.js';

/** A role and what it allows now. */
export interface RoleView {
  readonly id: string;
  readonly key: string;
  readonly name: string;
  readonly builtIn: boolean;
  readonly permissions: ReadonlySet<string>;
}

const NAMES: Record<(typeof BUILT_IN_ROLES)[number], string> = { ADMIN: 'Admin', MEMBER: 'Member', EXTERNAL: 'External' };

/** Roles of an organization; built-in ones are rows too, so that memberships and tokens refer to all alike. */
@Injectable()
export class RolesService {
  constructor(private readonly clock: Clock) {}

  async createBuiltIn({ organizationId, manager }: Tenant): Promise<void> {
    const now = this.clock.now();
    const rows = BUILT_IN_ROLES.map((key) => ({
      organizationId,
      id: newId(),
      key,
      name: NAMES[key],
      builtIn: true,
      permissions: [],
      createdAt: now,
      updatedAt: now,
    }));
    await manager.insert(RoleRecord, rows);
  }

  /** By id or key. Throws `NotFound` where the organization has none such. */
  async get({ organizationId, manager }: Tenant, idOrKey: string): Promise<RoleView> {
    const role = await manager.findOneBy(RoleRecord, { organizationId, ...(isUuid(idOrKey) ? { id: idOrKey } : { key: idOrKey }) });
    if (!role) throw new NotFound('role', idOrKey);
    return toView(role);
  }

  async list({ organizationId, manager }: Tenant): Promise<RoleView[]> {
    const roles = await manager.find(RoleRecord, { where: { organizationId }, order: { createdAt: 'ASC', key: 'ASC' } });
    return roles.map(toView);
  }

  async byIds({ organizationId, manager }: Tenant, ids: readonly string[]): Promise<ReadonlyMap<string, RoleView>> {
    const roles = ids.length === 0 ? [] : await manager.findBy(RoleRecord, { organizationId, id: In([...ids]) });
    return new Map(roles.map((role) => [role.id, toView(role)]));
  }
}

/** Platform permissions are left out: no role hands them to a machine or a token without a person. */
function toView({ id, key, name, builtIn, permissions }: RoleRecord): RoleView {
  return { id, key, name, builtIn, permissions: permissionsOfRole({ key, permissions }, false) };
}
