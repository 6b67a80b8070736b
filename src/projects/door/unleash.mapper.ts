import { InputInvalid } from '../../kernel/failure.js';
import type { Instant } from '../../kernel/instant.js';
import type { Permission } from '../../tokens/permissions.js';
import type { MintedToken, ProjectRef, Token } from '../../tokens/token.js';
import type { NewProjectToken } from '../project-tokens.service.js';
import { parseUnleashDate, toUnleashDate } from './unleash-date.js';
import { toText } from './unleash-rules.js';
import { toSelector } from './unleash-selector.js';
import type { UnleashChangeExpiry, UnleashCreatedToken, UnleashCreateProjectToken, UnleashCreateToken, UnleashToken, UnleashTokens } from './unleash.dto.js';

const ENVIRONMENT_DEFAULT = 'default';
const ALL = '*';
const BACKEND: Permission = 'project:backend:read';
const FRONTEND: Permission = 'project:frontend:read';

/** Of these projects, or of all. Refuses what Unleash calls all environments. */
export function toNewToken(projects: readonly ProjectRef[] | 'all', body: UnleashCreateProjectToken | UnleashCreateToken): NewProjectToken {
  const type = (toText(body.type) ?? '').toLowerCase();
  const environment = toText(body.environment) ?? ENVIRONMENT_DEFAULT;
  if (environment === ALL) {
    throw InputInvalid.at('environment', 'all-environments', `${type === 'frontend' ? 'Frontend' : 'Client'} token cannot be scoped to all environments`, ALL);
  }
  return {
    name: toText(body.tokenName) ?? '',
    projects,
    environment,
    permissions: [type === 'frontend' ? FRONTEND : BACKEND],
    secretPrefix: `${toPrefix(projects)}:${environment}.`,
    expiresAt: toInstant(body.expiresAt),
    attributes: { type },
  };
}

/** Keys of the projects asked for; `all` where none is named or one of them is `*`. */
export function toProjectKeys({ projects = [ALL] }: UnleashCreateToken): readonly string[] | 'all' {
  const keys = (projects as readonly unknown[]).map((key) => toText(key) ?? '');
  return keys.includes(ALL) ? 'all' : keys;
}

export function toExpiry({ expiresAt }: UnleashChangeExpiry): Instant {
  const instant = toInstant(expiresAt);
  if (!instant) throw InputInvalid.at('expiresAt', 'format', 'must be a date-time', expiresAt);
  return instant;
}

export function toCreatedToken({ token, secret }: MintedToken): UnleashCreatedToken {
  return {
    projects: [...token.projects],
    tokenName: token.name ?? '',
    type: toType(token),
    environment: token.environment,
    expiresAt: token.expiresAt ? toUnleashDate(token.expiresAt) : undefined,
    createdAt: toUnleashDate(token.createdAt),
    secure: true,
    secret,
    project: token.projects.join(','),
  };
}

export function toTokens(tokens: readonly Token[]): UnleashTokens {
  return { tokens: tokens.map(toToken) };
}

/** The word it was asked for by; for a token that came another way, what its permissions amount to. */
export function toType({ attributes, permissions }: { attributes: Readonly<Record<string, unknown>>; permissions: Iterable<string> | null }): string {
  const { type } = attributes;
  return typeof type === 'string' ? type : [...(permissions ?? [])].includes(FRONTEND) ? 'frontend' : 'backend';
}

function toToken(token: Token): UnleashToken {
  return {
    secret: toSelector(token.id),
    tokenName: token.name ?? '',
    type: toType(token),
    projects: [...token.projects],
    project: token.projects.join(','),
    environment: token.environment,
    ...(token.expiresAt && { expiresAt: toUnleashDate(token.expiresAt) }),
    createdAt: toUnleashDate(token.createdAt),
    ...(token.lastUsedAt && { seenAt: toUnleashDate(token.lastUsedAt) }),
    secure: true,
  };
}

function toPrefix(projects: readonly ProjectRef[] | 'all'): string {
  if (projects === 'all') return ALL;
  const [only, ...others] = projects;
  return only && others.length === 0 ? only.key : '[]';
}

function toInstant(expiresAt: unknown): Instant | null {
  const text = toText(expiresAt);
  return text === undefined ? null : parseUnleashDate(text);
}
