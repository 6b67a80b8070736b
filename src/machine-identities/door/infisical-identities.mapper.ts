import type { Principal } from '../../access/principal.js';
import type { RoleView } from '../../organizations/roles.service.js';
import type { IdentitySearch } from '../identity-queries.js';
import type { IdentityView, NewIdentity } from '../machine-identities.service.js';
import type {
  InfisicalCreatedIdentityAnswer,
  InfisicalCreateIdentity,
  InfisicalCustomRole,
  InfisicalIdentity,
  InfisicalIdentityDetailsAnswer,
  InfisicalIdentityList,
  InfisicalIdentityMembershipAnswer,
  InfisicalListedIdentity,
  InfisicalMembership,
  InfisicalMetadata,
  InfisicalMetadataInput,
  InfisicalSearchIdentities,
  InfisicalUpdatedIdentityAnswer,
  InfisicalUpdateIdentity,
} from './infisical-identities.dto.js';
import { NO_ACCESS, toBuiltInSlug, toRoleKeyToGive } from './infisical-roles.js';
import { toFilter } from './infisical-search.js';

const SEARCH_LIMIT = 50;

export function toNewIdentity({ name, role = NO_ACCESS, hasDeleteProtection = false, metadata = [] }: InfisicalCreateIdentity): NewIdentity {
  return { name: name.trim(), roleKey: toRoleKeyToGive(role.trim()), deleteProtected: hasDeleteProtection, metadata: metadata.map(toTrimmed) };
}

export function toIdentityChange({ name, role, hasDeleteProtection, metadata }: InfisicalUpdateIdentity): Partial<NewIdentity> {
  return {
    ...(name !== undefined && { name: name.trim() }),
    ...(role !== undefined && { roleKey: toRoleKeyToGive(role.trim()) }),
    ...(hasDeleteProtection !== undefined && { deleteProtected: hasDeleteProtection }),
    ...(metadata && { metadata: metadata.map(toTrimmed) }),
  };
}

export function toSearch({ orderBy = 'name', orderDirection = 'asc', limit = SEARCH_LIMIT, offset = 0, search = {} }: InfisicalSearchIdentities): IdentitySearch {
  return { ...toFilter(search), anyOf: search.$or?.map(toFilter), order: orderBy, descending: orderDirection === 'desc', limit, offset };
}

export function toIdentity(identity: IdentityView): InfisicalIdentity {
  return {
    id: identity.id,
    name: identity.name,
    authMethod: null,
    createdAt: identity.createdAt.toRfc3339(3),
    updatedAt: identity.updatedAt.toRfc3339(3),
    hasDeleteProtection: identity.deleteProtected,
    orgId: identity.organizationId,
    projectId: null,
  };
}

export function toCreatedIdentity(identity: IdentityView): InfisicalCreatedIdentityAnswer {
  return { identity: { ...toIdentity(identity), authMethods: [...identity.methods], metadata: toMetadata(identity) } };
}

export function toUpdatedIdentity(identity: IdentityView): InfisicalUpdatedIdentityAnswer {
  return { identity: { ...toIdentity(identity), metadata: toMetadata(identity) } };
}

export function toIdentityMembership(view: IdentityView): InfisicalIdentityMembershipAnswer {
  const { customRole, ...membership } = toMembership(view);
  const { id, name, deleteProtected, organizationId, methods, lockedMethods } = view;
  return {
    identity: {
      ...membership,
      metadata: toMetadata(view),
      ...(customRole && { customRole }),
      identity: { name, id, hasDeleteProtection: deleteProtected, orgId: organizationId, authMethods: [...methods], activeLockoutAuthMethods: [...lockedMethods] },
    },
  };
}

export function toIdentityList({ identities, total }: { identities: readonly IdentityView[]; total: number }): InfisicalIdentityList {
  return { identities: identities.map(toListedIdentity), totalCount: total };
}

export function toDetails({ organization: { id, name, slug } }: Principal): InfisicalIdentityDetailsAnswer {
  return { identityDetails: { organization: { id, name, slug } } };
}

function toListedIdentity(view: IdentityView): InfisicalListedIdentity {
  const { id, name, deleteProtected, methods } = view;
  return { ...toMembership(view), identity: { name, id, hasDeleteProtection: deleteProtected, authMethods: [...methods] } };
}

/** A machine identity is a member of its own organization and of no other, so the membership needs no id of its own. */
function toMembership(identity: IdentityView): InfisicalMembership {
  const builtIn = toBuiltInSlug(identity.role);
  return {
    id: identity.id,
    role: builtIn ?? 'custom',
    roleId: builtIn === null ? identity.roleId : null,
    orgId: identity.organizationId,
    createdAt: identity.createdAt.toRfc3339(3),
    updatedAt: identity.updatedAt.toRfc3339(3),
    identityId: identity.id,
    lastLoginAuthMethod: identity.lastLoginMethod,
    lastLoginTime: identity.lastLoginAt?.toRfc3339(3) ?? null,
    ...(builtIn === null && identity.role && { customRole: toCustomRole(identity.role) }),
  };
}

function toCustomRole({ id, name, key, permissions }: RoleView): InfisicalCustomRole {
  return { id, name, slug: key, permissions: [...permissions].sort(), description: null };
}

function toMetadata({ metadata }: IdentityView): InfisicalMetadata[] {
  return metadata.map(({ id, key, value }) => ({ id, key, value }));
}

function toTrimmed({ key, value }: InfisicalMetadataInput): InfisicalMetadataInput {
  return { key: key.trim(), value: value.trim() };
}
