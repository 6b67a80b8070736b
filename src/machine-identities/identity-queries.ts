import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import type { Tenant } from '../kernel/database/database.js';
import type { Instant } from '../kernel/instant.js';
import type { Cursor } from '../kernel/page.js';
import type { LoginMethod } from './access-token-settings.js';
import { MachineIdentityMetadata } from './machine-identity.entity.js';

export interface IdentityRow {
  readonly organizationId: string;
  readonly id: string;
  readonly name: string;
  readonly roleId: string | null;
  readonly deleteProtected: boolean;
  /** The ways in which it can come by tokens. */
  readonly methods: readonly LoginMethod[];
  /** Those in which somebody is locked out at the moment. */
  readonly lockedMethods: readonly LoginMethod[];
  readonly lastLoginAt: Instant | null;
  readonly lastLoginMethod: LoginMethod | null;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
}

/** Every condition named must hold. */
export interface NameFilter {
  readonly equals?: string;
  /** Anywhere, in any case. */
  readonly contains?: string;
  readonly oneOf?: readonly string[];
}

/** Any of what is named lets a role through. */
export interface RoleFilter {
  readonly keys: readonly string[];
  /** Those without a role. */
  readonly none: boolean;
  /** Those with any role that is not built in. */
  readonly custom: boolean;
}

export interface IdentityFilter {
  readonly name?: NameFilter;
  readonly roles?: readonly RoleFilter[];
}

export interface IdentitySearch extends IdentityFilter {
  readonly id?: string;
  /** At least one of these must let it through, where there are any. */
  readonly anyOf?: readonly IdentityFilter[];
  readonly order?: 'name' | 'role' | 'creation';
  readonly descending?: boolean;
  readonly limit?: number;
  readonly offset?: number;
  /** Continues behind this place; in the order of creation, ascending. */
  readonly after?: Cursor | null;
}

const ORDERS = { name: 'i.name', role: `coalesce(r.key, '')`, creation: 'i.created_at' };

/** Questions about machine identities; every one names its tenant first. */
@Injectable()
export class IdentityQueries {
  async search(tenant: Tenant, search: IdentitySearch, now: Instant): Promise<{ rows: IdentityRow[]; total: number }> {
    const parameters: unknown[] = [tenant.organizationId];
    const bind = (value: unknown): string => `$${parameters.push(value)}`;
    const where = [
      'i.organization_id = $1 AND i.deleted_at IS NULL',
      ...(search.id === undefined ? [] : [`i.id = ${bind(search.id)}`]),
      ...(search.after ? [`(i.created_at, i.id) > (${bind(search.after.at.toPostgres())}, ${bind(search.after.id)})`] : []),
      toCondition(search, bind),
      ...(search.anyOf?.length ? [`(${search.anyOf.map((filter) => toCondition(filter, bind)).join(' OR ')})`] : []),
    ].join(' AND ');
    const from = `FROM machine_identities i LEFT JOIN roles r ON r.organization_id = i.organization_id AND r.id = i.role_id WHERE ${where}`;
    const [count] = await tenant.manager.query<{ total: string }[]>(`SELECT count(*) AS total ${from}`, parameters);
    const order = `${ORDERS[search.order ?? 'name']} ${search.descending ? 'DESC' : 'ASC'}, i.id`;
    const rows = await tenant.manager.query<Record<string, unknown>[]>(
      `SELECT i.*, ta.id IS NOT NULL AS token_auth, ua.id IS NOT NULL AS universal_auth,
          EXISTS (SELECT FROM client_lockouts l WHERE l.organization_id = ua.organization_id AND l.settings_id = ua.id
            AND l.locked AND l.expires_at > ${bind(now.toPostgres())}) AS locked
         FROM (SELECT i.*, ${ORDERS[search.order ?? 'name']} AS place ${from} ORDER BY ${order} LIMIT ${bind(search.limit ?? null)} OFFSET ${bind(search.offset ?? 0)}) i
         LEFT JOIN token_auth_settings ta ON ta.organization_id = i.organization_id AND ta.identity_id = i.id
         LEFT JOIN universal_auth_settings ua ON ua.organization_id = i.organization_id AND ua.identity_id = i.id
        ORDER BY i.place ${search.descending ? 'DESC' : 'ASC'}, i.id`,
      parameters,
    );
    return { rows: rows.map(toRow), total: Number(count?.total ?? 0) };
  }

  /** In the order it was given in. */
  metadataOf({ organizationId, manager }: Tenant, identityIds: readonly string[]): Promise<MachineIdentityMetadata[]> {
    return manager.find(MachineIdentityMetadata, { where: { organizationId, identityId: In([...identityIds]) }, order: { position: 'ASC' } });
  }
}

function toCondition({ name, roles }: IdentityFilter, bind: (value: unknown) => string): string {
  const parts = ['true'];
  if (name?.equals !== undefined) parts.push(`i.name = ${bind(name.equals)}`);
  if (name?.contains !== undefined) parts.push(`i.name ILIKE ${bind(`%${name.contains.replace(/[\\%_]/g, '\\$&')}%`)}`);
  if (name?.oneOf !== undefined) parts.push(`i.name = ANY (${bind(name.oneOf)}::text[])`);
  for (const { keys, none, custom } of roles ?? []) {
    parts.push(`(r.key = ANY (${bind(keys)}::text[]) OR (${bind(none)} AND r.id IS NULL) OR (${bind(custom)} AND NOT r.built_in))`);
  }
  return `(${parts.join(' AND ')})`;
}

function toRow(row: Record<string, unknown>): IdentityRow {
  return {
    organizationId: row['organization_id'] as string,
    id: row['id'] as string,
    name: row['name'] as string,
    roleId: row['role_id'] as string | null,
    deleteProtected: row['delete_protected'] as boolean,
    methods: [...(row['token_auth'] ? ['token-auth' as const] : []), ...(row['universal_auth'] ? ['universal-auth' as const] : [])],
    lockedMethods: row['locked'] ? ['universal-auth'] : [],
    lastLoginAt: row['last_login_at'] as Instant | null,
    lastLoginMethod: row['last_login_method'] as LoginMethod | null,
    createdAt: row['created_at'] as Instant,
    updatedAt: row['updated_at'] as Instant,
  };
}
