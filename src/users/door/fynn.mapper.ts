import { requireUser, type Principal } from '../../access/principal.js';
import { drawText } from '../../kernel/random-text.js';
import type { MintedToken, MintRequest, Token } from '../../tokens/token.js';
import type { OwnOrganization } from '../users.service.js';
import { FYNN_SECRET_PREFIX } from './fynn.door.js';
import type { FynnCreatedToken, FynnCreateToken, FynnPageMeta, FynnPageQuery, FynnTenantPage, FynnToken, FynnTokenPage } from './fynn.dto.js';
import { parsePhpDate, toPhpDate } from './php-date.js';

const ID_ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const ID_LENGTH = 20;
const LIMIT_DEFAULT = 30;
const LIMIT_MAX = 100;
const REDACTED = '**********';

export function toMintRequest(principal: Principal, { description = null, expiresAt = null }: FynnCreateToken): MintRequest {
  return {
    kind: 'user',
    owner: { userId: requireUser(principal).id },
    secretPrefix: FYNN_SECRET_PREFIX,
    shortId: drawFynnId(),
    description,
    permissions: 'owner',
    expiresAt: expiresAt === null ? null : parsePhpDate(expiresAt),
  };
}

/** The person's own, but those that are deleted to them; the inventory still shows these. */
export function ownTokens(principal: Principal): { kind: 'user'; userId: string; revoked: false } {
  return { kind: 'user', userId: requireUser(principal).id, revoked: false };
}

export function toListing(query: FynnPageQuery): { order: 'oldest-first'; limit: number; offset: number } {
  const { page, limit } = toPage(query);
  return { order: 'oldest-first', limit, offset: (page - 1) * limit };
}

export function toCreatedToken({ token, secret }: MintedToken): FynnCreatedToken {
  return {
    id: token.shortId ?? token.id,
    token: secret,
    description: token.description,
    expiresAt: token.expiresAt && toPhpDate(token.expiresAt),
  };
}

/** A token of the person that another door minted has no short id. */
export function toToken(token: Token): FynnToken {
  return {
    id: token.shortId ?? token.id,
    description: token.description,
    expiresAt: token.expiresAt && toPhpDate(token.expiresAt),
    createdAt: toPhpDate(token.createdAt),
    updatedAt: toPhpDate(token.updatedAt),
    apiToken: REDACTED,
  };
}

export function toTokenPage(tokens: readonly Token[], total: number, query: FynnPageQuery): FynnTokenPage {
  return { data: tokens.map(toToken), meta: toMeta(tokens.length, total, query) };
}

export function toTenantPage(organizations: readonly OwnOrganization[], query: FynnPageQuery): FynnTenantPage {
  const { page, limit } = toPage(query);
  const data = organizations
    .slice((page - 1) * limit, page * limit)
    .map(({ id, slug, name }) => ({ id, name, username: slug, legalCompanyName: name }));
  return { data, meta: toMeta(data.length, organizations.length, query) };
}

function toPage({ page, limit }: FynnPageQuery): { page: number; limit: number } {
  return { page: Number(page || 1), limit: Math.min(Number(limit || LIMIT_DEFAULT), LIMIT_MAX) };
}

function toMeta(pageTotalItems: number, totalItems: number, query: FynnPageQuery): FynnPageMeta {
  const { page, limit } = toPage(query);
  const lastPage = limit === 0 ? 1 : Math.max(1, Math.ceil(totalItems / limit));
  return { pagination: { totalItems, itemsPerPage: limit, currentPage: page, lastPage, pageTotalItems } };
}

/** Independent of the secret: ids are listed later. */
function drawFynnId(): string {
  return drawText(ID_ALPHABET, ID_LENGTH);
}
