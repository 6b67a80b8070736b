import type { Instant } from '../kernel/instant.js';
import { bindsToAddresses } from './address-list.js';
import { covers } from './permission-pattern.js';
import type { BlockReason, PolicyRule, TokenKind } from './token.js';

/** What tokens of an organization may be; several policies bind a token together, each of them. */
export interface Policy {
  /** Seconds from when a token is minted to when it ends, by kind; no bound for a kind that is left out. */
  readonly longestLifetimeSeconds: Readonly<Partial<Record<TokenKind, number>>>;
  /** A token without an end is refused, and not given one. */
  readonly expiryRequired: boolean;
  /** Null: all. */
  readonly allowedKinds: readonly TokenKind[] | null;
  /** Addresses and CIDR ranges that tokens are used from; null: no bound. */
  readonly allowedAddresses: readonly string[] | null;
  /** A list of addresses bounds every token: its own, its machine's or a policy's. */
  readonly addressesRequired: boolean;
  /** How many live tokens the organization keeps at once; null: no bound. */
  readonly activeTokensMax: number | null;
  /** Days without use after which a token stops working; null: never. */
  readonly idleDays: number | null;
  /** Patterns of what tokens may do; null: no bound. */
  readonly allowedPermissions: readonly string[] | null;
  /** What follows when a secret is presented that was replaced: an alarm, or an alarm and the end of its token. Left out in policies older than it. */
  readonly onReuse?: OnReuse;
  /** What follows when a secret is reported to have leaked: the end of its token, or an alarm only. Null, and left out in policies older than it: no say. */
  readonly onExposure?: OnExposure | null;
}

export const ON_EXPOSURE = ['revoke', 'flag'] as const;
export type OnExposure = (typeof ON_EXPOSURE)[number];

export const ON_REUSE = ['alarm', 'revoke'] as const;
export type OnReuse = (typeof ON_REUSE)[number];

export const NO_POLICY: Policy = {
  longestLifetimeSeconds: {},
  expiryRequired: false,
  allowedKinds: null,
  allowedAddresses: null,
  addressesRequired: false,
  activeTokensMax: null,
  idleDays: null,
  allowedPermissions: null,
  onReuse: 'alarm',
  onExposure: null,
};

/** What policies look at. */
export interface PolicySubject {
  readonly kind: TokenKind;
  /** Its own list; null where its owner or role alone bounds it: then the policy bounds it at its use as well. */
  readonly permissions: readonly string[] | null;
  /** The lists that bound where it is used from; null for one that is not there. */
  readonly addressLists: readonly (readonly string[] | null)[];
  readonly createdAt: Instant;
  readonly expiresAt: Instant | null;
}

export interface SignsOfUse {
  readonly createdAt: Instant;
  readonly lastUsedAt: Instant | null;
  readonly renewedAt: Instant | null;
}

export interface PolicyViolation {
  readonly rule: PolicyRule | 'too-many-tokens';
  readonly message: string;
}

/** Every rule that the token breaks, and how; none where the policies allow it. */
export function violations(policies: readonly Policy[], subject: PolicySubject): PolicyViolation[] {
  const found: PolicyViolation[] = [];
  if (policies.length === 0) return found;
  const { kind, permissions, createdAt, expiresAt } = subject;
  if (policies.some(({ allowedKinds }) => allowedKinds?.includes(kind) === false)) {
    found.push({ rule: 'kind-not-allowed', message: `tokens of the kind ${kind} are not allowed` });
  }
  if (expiresAt === null && policies.some(({ expiryRequired }) => expiryRequired)) found.push({ rule: 'expiry-required', message: 'it must have an end' });
  const longest = longestLifetime(policies, kind);
  if (longest !== null && (expiresAt === null || createdAt.plusSeconds(longest).isBefore(expiresAt))) {
    found.push({ rule: 'lifetime-too-long', message: `it may live ${longest} seconds at most` });
  }
  if (!isBoundToAddresses(policies, subject)) found.push({ rule: 'addresses-required', message: 'it must be bound to addresses' });
  const beyond = (permissions ?? []).filter((permission) => !mayCarry(policies, permission));
  if (beyond.length > 0) found.push({ rule: 'permissions-not-allowed', message: `it may not carry ${beyond.join(', ')}` });
  return found;
}

/** The first rule that blocks the token at this moment; null for one that may be used. */
export function blockOf(policies: readonly Policy[], token: PolicySubject & SignsOfUse, now: Instant): BlockReason | null {
  if (policies.length === 0) return null;
  const [first] = violations(policies, token);
  if (first) return first.rule as PolicyRule;
  return isIdle(policies, token, now) ? 'idle' : null;
}

/** The end of a token's life under the policies. An end that is asked for stays as it is; any other is the latest there may be. */
export function boundedEnd(policies: readonly Policy[], kind: TokenKind, { asked, end, now }: { asked: Instant | null; end: Instant | null; now: Instant }): Instant | null {
  const longest = longestLifetime(policies, kind);
  const isAsked = end !== null && asked !== null && asked.equals(end);
  const isMissing = end === null && policies.some(({ expiryRequired }) => expiryRequired);
  if (longest === null || isAsked || isMissing) return end;
  const latest = now.plusSeconds(longest);
  return end?.isBefore(latest) ? end : latest;
}

/** Seconds; null for no bound. */
export function longestLifetime(policies: readonly Policy[], kind: TokenKind): number | null {
  return least(policies.map(({ longestLifetimeSeconds }) => longestLifetimeSeconds[kind] ?? null));
}

export function activeTokensMax(policies: readonly Policy[]): number | null {
  return least(policies.map((policy) => policy.activeTokensMax));
}

export function idleDays(policies: readonly Policy[]): number | null {
  return least(policies.map((policy) => policy.idleDays));
}

/** The stricter of what they say. */
export function onReuse(policies: readonly Policy[]): OnReuse {
  return policies.some((policy) => policy.onReuse === 'revoke') ? 'revoke' : 'alarm';
}

/** The stricter of what they say; null where none says anything, and then the token is revoked. */
export function onExposure(policies: readonly Policy[]): OnExposure | null {
  return ON_EXPOSURE.find((answer) => policies.some((policy) => policy.onExposure === answer)) ?? null;
}

export function least(bounds: readonly (number | null)[]): number | null {
  const given = bounds.filter((bound) => bound !== null);
  return given.length === 0 ? null : Math.min(...given);
}

export const SECONDS_PER_DAY = 24 * 3600;

/** From the very instant on at which the days have passed. */
function isIdle(policies: readonly Policy[], { createdAt, lastUsedAt, renewedAt }: SignsOfUse, now: Instant): boolean {
  const days = idleDays(policies);
  if (days === null) return false;
  return [createdAt, lastUsedAt, renewedAt].every((sign) => sign === null || !now.isBefore(sign.plusSeconds(days * SECONDS_PER_DAY)));
}

function isBoundToAddresses(policies: readonly Policy[], { addressLists }: PolicySubject): boolean {
  if (!policies.some(({ addressesRequired }) => addressesRequired)) return true;
  return [...addressLists, ...policies.map(({ allowedAddresses }) => allowedAddresses)].some((list) => list !== null && bindsToAddresses(list));
}

function mayCarry(policies: readonly Policy[], permission: string): boolean {
  return policies.every(({ allowedPermissions }) => allowedPermissions?.some((pattern) => covers(pattern, permission)) !== false);
}
