import type { Tenant } from '../kernel/database/database.js';
import { NotFound } from '../kernel/failure.js';
import { isUuid } from '../kernel/ids.js';
import type { Instant } from '../kernel/instant.js';
import type { Cursor } from '../kernel/page.js';

export const ORGANIZATION_STATUSES = ['active', 'suspended'] as const;
export type OrganizationStatus = (typeof ORGANIZATION_STATUSES)[number];

/** An organization as its own people, those of its parent and the operator see it. */
export interface OrganizationDetail {
  readonly id: string;
  /** Null for an organization that belongs to no other. */
  readonly parentId: string | null;
  readonly slug: string;
  readonly name: string;
  readonly platform: boolean;
  /** Suspended, too, where its parent is. */
  readonly status: OrganizationStatus;
  /** Of the organization itself. */
  readonly suspendedAt: Instant | null;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
}

const ORGANIZATIONS = `SELECT o.id, o.parent_id AS "parentId", o.slug, o.name, o.platform, o.suspended_at AS "suspendedAt",
    o.created_at AS "createdAt", o.updated_at AS "updatedAt",
    CASE WHEN coalesce(o.suspended_at, p.suspended_at) IS NULL THEN 'active' ELSE 'suspended' END AS status
  FROM organizations o LEFT JOIN organizations p ON p.id = o.parent_id
  WHERE o.deleted_at IS NULL`;

/** Among those that the transaction sees. Throws `NotFound` for one that is not, or not any more, there. */
export async function findOrganization({ manager }: Tenant, id: string): Promise<OrganizationDetail> {
  const [found] = isUuid(id) ? await manager.query<OrganizationDetail[]>(`${ORGANIZATIONS} AND o.id = $1`, [id]) : [];
  if (!found) throw new NotFound('organization', id);
  return found;
}

/** Those that the transaction sees, or those of one parent; newest first. */
export function listOrganizations(
  { manager }: Tenant,
  { parentId = null, after, limit }: { parentId?: string | null; after: Cursor | null; limit: number },
): Promise<OrganizationDetail[]> {
  return manager.query<OrganizationDetail[]>(
    `${ORGANIZATIONS} AND ($1::uuid IS NULL OR o.parent_id = $1) AND ($2::timestamptz IS NULL OR (o.created_at, o.id) < ($2, $3::uuid))
      ORDER BY o.created_at DESC, o.id DESC LIMIT $4`,
    [parentId, after?.at.toPostgres() ?? null, after?.id ?? null, limit],
  );
}
