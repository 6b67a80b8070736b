import { requireUser, type Principal } from '../../access/principal.js';
import { InputInvalid, NotFound } from '../../kernel/failure.js';
import type { ProjectView } from '../../projects/projects.service.js';
import type { MintedToken } from '../../tokens/token.js';
import type { OrganizationToken, OrganizationTokenPage, OrganizationTokenRequest, PageStart } from '../organization-tokens.service.js';
import type { RoleView } from '../roles.service.js';
import type { DeepsetRole, DeepsetRolePage, DeepsetUser, DeepsetWorkspace } from './deepset-account.dto.js';
import { LIMIT_DEFAULT, PAGE_FIELDS, type DeepsetPageQuery } from './deepset-page.dto.js';
import { TOKEN_FIELDS, type DeepsetApiTokenResult, type DeepsetCreateToken, type DeepsetToken, type DeepsetTokenPage, type DeepsetUserName } from './deepset-token.dto.js';
import { DEEPSET_SECRET_PREFIX } from './deepset.door.js';
import { valueOf } from './pydantic.js';
import { toPydanticDatetime } from './pydantic-datetime.js';
import { uuid } from './pydantic-uuid.js';

/** Far beyond any last page, and still an offset that the database can count to. */
const PAGE_NUMBER_MAX = 1_000_000_000;

export function toTokenRequest(body: DeepsetCreateToken): OrganizationTokenRequest {
  const expires = valueOf(TOKEN_FIELDS.expires, body.expires, true);
  return {
    name: valueOf(TOKEN_FIELDS.name, body.name, null),
    personal: valueOf(TOKEN_FIELDS.personal, body.personal, true),
    secretPrefix: DEEPSET_SECRET_PREFIX,
    expiresAt: expires ? (valueOf(TOKEN_FIELDS.expires_at, body.expires_at, null) ?? 'by-default') : 'never',
    builtInRole: valueOf(TOKEN_FIELDS.organization_role, body.organization_role, null),
    roleId: valueOf(TOKEN_FIELDS.role_id, body.role_id, null),
    projects: valueOf(TOKEN_FIELDS.workspaces, body.workspaces, 'all'),
  };
}

/** The id in a path, or the refusal of what is none. */
export function toPathId(parameter: string, text: string): string {
  const outcome = uuid(text);
  if ('value' in outcome) return outcome.value;
  throw new InputInvalid(outcome.faults.map((fault) => ({ ...fault, part: 'path', at: [parameter] })));
}

export function toLimit({ limit }: DeepsetPageQuery): number {
  return valueOf(PAGE_FIELDS.limit, limit, LIMIT_DEFAULT);
}

export function toPageStart(query: DeepsetPageQuery): PageStart {
  const after = valueOf(PAGE_FIELDS.after, query.after, null);
  const before = valueOf(PAGE_FIELDS.before, query.before, null);
  if (after !== null) return { after };
  if (before !== null) return { before };
  const page = Math.min(valueOf(PAGE_FIELDS.page_number, query.page_number, 1), PAGE_NUMBER_MAX);
  return { offset: (page - 1) * toLimit(query) };
}

export function toCreatedToken({ token, secret }: MintedToken): DeepsetApiTokenResult {
  return { api_token: secret, api_token_id: token.id };
}

export function toTokenPage({ tokens, hasMore, total }: OrganizationTokenPage): DeepsetTokenPage {
  return { data: tokens.map(toToken), has_more: hasMore, total };
}

function toToken({ token, person, builtInRole }: OrganizationToken): DeepsetToken {
  return {
    api_token_id: token.id,
    expires_at: token.expiresAt && toPydanticDatetime(token.expiresAt),
    user: person && toUserName(person.name),
    name: token.name,
    personal: token.userId !== null,
    organization_role: builtInRole,
    role_id: token.roleId,
    workspaces: token.projects[0] === '*' ? null : [...token.projects],
    created_at: toPydanticDatetime(token.createdAt),
    last_used_at: token.lastUsedAt && toPydanticDatetime(token.lastUsedAt),
    masked_api_token: token.hint,
  };
}

/** People have one name here; the dialect has two: the last word is the family's. */
export function toUserName(name: string): DeepsetUserName {
  const words = name.trim().split(/\s+/);
  return words.length === 1
    ? { given_name: words.join(' '), family_name: '' }
    : { given_name: words.slice(0, -1).join(' '), family_name: words.at(-1) ?? '' };
}

export function toUser(principal: Principal, role: RoleView, projects: readonly ProjectView[]): DeepsetUser {
  const user = requireUser(principal);
  const { organization } = principal;
  return {
    user_id: user.id,
    ...toUserName(user.name),
    email: user.email,
    deleted: false,
    oauth_provider: 'gatehouse',
    organization: {
      organization_id: organization.id,
      name: organization.name,
      role: role.key,
      workspaces: projects.map(({ key }) => ({ name: key, role: role.key })),
    },
  };
}

/** A workspace is called what addresses it: the key of the project. */
export function toWorkspace({ id, key }: ProjectView): DeepsetWorkspace {
  return { name: key, workspace_id: id, languages: {}, default_idle_timeout_in_seconds: 0 };
}

export function toRolePage(roles: readonly RoleView[], start: PageStart, limit: number): DeepsetRolePage {
  const { page, hasMore } = pageOf(roles, start, limit);
  return { data: page.map(toRole), has_more: hasMore, total: roles.length };
}

function toRole({ id, key, name, builtIn, permissions }: RoleView): DeepsetRole {
  return { role_id: id, key, name, preset: builtIn, permissions: [...permissions].sort() };
}

/** Cuts a page out of a list that is there as a whole. Throws `NotFound` where it does not hold the named entry. */
function pageOf(roles: readonly RoleView[], start: PageStart, limit: number): { page: readonly RoleView[]; hasMore: boolean } {
  if ('offset' in start) return { page: roles.slice(start.offset, start.offset + limit), hasMore: start.offset + limit < roles.length };
  const named = 'after' in start ? start.after : start.before;
  const place = roles.findIndex(({ id }) => id === named);
  if (place === -1) throw new NotFound('role', named);
  if ('after' in start) return { page: roles.slice(place + 1, place + 1 + limit), hasMore: place + 1 + limit < roles.length };
  return { page: roles.slice(Math.max(place - limit, 0), place), hasMore: place > limit };
}
