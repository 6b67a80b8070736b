import type { Page } from '../kernel/page.js';
import type { OrganizationDetail } from './organization-detail.js';
import type { OrganizationPage, OrganizationResource } from './organizations.dto.js';

export function toOrganization({ id, parentId, slug, name, platform, status, suspendedAt, createdAt, updatedAt }: OrganizationDetail): OrganizationResource {
  return {
    id,
    parent_id: parentId,
    slug,
    name,
    platform,
    status,
    suspended_at: suspendedAt?.toRfc3339() ?? null,
    created_at: createdAt.toRfc3339(),
    updated_at: updatedAt.toRfc3339(),
  };
}

export function toOrganizationPage({ entries, nextCursor }: Page<OrganizationDetail>): OrganizationPage {
  return { data: entries.map(toOrganization), next_cursor: nextCursor };
}
