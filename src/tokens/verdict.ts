import { Instant } from '../kernel/instant.js';
import { isAllowedAddress } from './address-list.js';
import { blockOf, type PolicySubject, type SignsOfUse } from './policy.js';
import { patternsOfRole, permissionsWithin, type Held } from './permissions.js';
import type { TokenFacts } from './token-facts.js';
import type { BlockReason, ProjectScope, TokenKind } from './token.js';

export type InactiveReason =
  | 'unknown'
  | 'expired'
  | 'replaced'
  | 'revoked'
  | 'owner-gone'
  | 'owner-disabled'
  | 'organization-suspended'
  | 'environment-gone'
  | 'address-not-allowed'
  | 'uses-spent'
  | BlockReason;

/** What a live token is and may do at this moment. */
export interface VerifiedToken {
  /** Where it acts. */
  readonly organization: { readonly id: string; readonly slug: string; readonly name: string; readonly platform: boolean };
  /** The organization that keeps the token: the parent of the one it acts in where it is scoped to a sub-organization. */
  readonly keptIn: string;
  readonly id: string;
  readonly shortId: string | null;
  readonly kind: TokenKind;
  readonly name: string | null;
  readonly description: string | null;
  readonly ownerId: string;
  /** The person it acts for; null for a token without a person. */
  readonly user: { readonly id: string; readonly email: string; readonly name: string } | null;
  readonly identityId: string | null;
  readonly projects: ProjectScope;
  readonly environment: string | null;
  readonly permissions: ReadonlySet<string>;
  /** The patterns that bound them, each of these lists. */
  readonly bounds: readonly (readonly string[])[];
  /** True where its permissions are fewer than its owner's. */
  readonly narrowed: boolean;
  readonly expiresAt: Instant | null;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
  /** The secret presented has been replaced by one that is in use, and works for the overlap only. */
  readonly secretReplaced: boolean;
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface LiveToken {
  readonly active: true;
  readonly token: VerifiedToken;
}

export type Verdict = { readonly active: false; readonly reason: InactiveReason } | LiveToken;

/** Under this id, which is nothing's, it is announced that secrets were imported. */
export const IMPORTS = '00000000-0000-0000-0000-000000000000';

/** The facts apart from what only the permissions are made of. */
export type KeptFacts = Omit<TokenFacts, 'registered_permissions'>;

/** What was read of a token, and all that can be concluded from it before it is used. */
export interface KnownToken {
  readonly facts: KeptFacts;
  /** Ids of all that its facts depend on; a change of one of them is announced under its id. */
  readonly subjects: readonly string[];
  /** As its policies look at it; `lastUsedAt` moves on while it is used. */
  readonly bound: PolicySubject & { -readonly [Sign in keyof SignsOfUse]: SignsOfUse[Sign] };
  /** Of its own, of its owner and of its policies: it may be used from where all of them allow. */
  readonly addressLists: readonly (readonly string[] | null)[];
  /** The verdict while nothing refuses it: the same object each time. */
  readonly live: LiveToken;
}

export function know({ registered_permissions, ...facts }: TokenFacts): KnownToken {
  const subjects = [facts.id, facts.kept_in, facts.organization_id, facts.user_id, facts.project_id, facts.identity_id, ...(facts.project_ids ?? [])];
  // Another organization may import the secret of a token that is revoked, and then it is theirs.
  if (facts.revoked_at) subjects.push(IMPORTS);
  const addressLists = [facts.allowed_addresses, facts.owner_allowed_addresses];
  return {
    facts,
    subjects: [...new Set(subjects)].filter((subject) => subject !== null),
    bound: {
      kind: facts.kind,
      permissions: facts.permissions,
      addressLists,
      createdAt: facts.created_at,
      expiresAt: facts.expires_at,
      lastUsedAt: facts.last_used_at,
      renewedAt: facts.renewed_at,
    },
    addressLists: [...addressLists, ...facts.policies.map(({ allowedAddresses }) => allowedAddresses)],
    live: { active: true, token: toVerifiedToken(facts, registered_permissions) },
  };
}

/**
 * Judges a token at an instant. Refused first, earned after: whatever is absent or gone refuses.
 * `address` is where the token is used from; null where that cannot be known, and then it is not judged.
 */
export function judge(known: KnownToken, now: Instant, address: string | null): Verdict {
  const reason = refusal(known, now, address);
  return reason ? { active: false, reason } : known.live;
}

function refusal({ facts, bound, addressLists }: KnownToken, now: Instant, address: string | null): InactiveReason | null {
  if (facts.revoked_at) return 'revoked';
  if (facts.expires_at && !now.isBefore(facts.expires_at)) return 'expired';
  if (facts.secret_expires_at && !now.isBefore(facts.secret_expires_at)) return facts.secret_replaced_at ? 'replaced' : 'expired';
  if (facts.organization_suspended_at) return 'organization-suspended';
  if (!facts.owner_exists) return 'owner-gone';
  if (facts.owner_disabled_at) return 'owner-disabled';
  if (!facts.environment_exists) return 'environment-gone';
  const blocked = blockOf(facts.policies, bound, now);
  if (blocked) return blocked;
  if (address !== null && !addressLists.every((list) => isAllowedAddress(address, list))) return 'address-not-allowed';
  if (facts.uses_limit !== null && Number(facts.use_count) >= Number(facts.uses_limit)) return 'uses-spent';
  return null;
}

/** What it may do, and the patterns that bound that, whether it is live or not. */
export function ceilingOf({ registered_permissions: registered, ...facts }: TokenFacts): Required<Held> {
  const bounds = boundsOf(facts);
  return { permissions: permissionsWithin(bounds, registered, facts.organization_platform), bounds };
}

/** Its own list, its role's, its owner's and its policies': it may do what all of them allow. */
function boundsOf(facts: KeptFacts): readonly (readonly string[])[] {
  const policies = facts.policies.map(({ allowedPermissions }) => allowedPermissions);
  return [facts.permissions, tokenRole(facts), ownerBound(facts, facts.organization_platform), ...policies].filter((bound) => bound !== null);
}

function tokenRole(facts: KeptFacts): readonly string[] | null {
  return patternsOf(facts.token_role_key, facts.token_role_permissions, facts.organization_platform);
}

function toVerifiedToken(facts: KeptFacts, registered: readonly string[]): VerifiedToken {
  const platform = facts.organization_platform;
  const bounds = boundsOf(facts);
  return {
    organization: { id: facts.organization_id, slug: facts.organization_slug, name: facts.organization_name, platform },
    keptIn: facts.kept_in,
    id: facts.id,
    shortId: facts.short_id,
    kind: facts.kind,
    name: facts.name,
    description: facts.description,
    ownerId: ownerOf(facts),
    user: facts.user_id === null ? null : { id: facts.user_id, email: facts.user_email ?? '', name: facts.user_name ?? '' },
    identityId: facts.identity_id,
    projects: facts.all_projects ? 'all' : (facts.project_ids ?? []).map((id, index) => ({ id, key: facts.project_keys?.[index] ?? '' })),
    environment: facts.environment,
    permissions: permissionsWithin(bounds, registered, platform),
    bounds,
    narrowed: facts.permissions !== null || tokenRole(facts) !== null,
    expiresAt: expiryOf(facts),
    createdAt: facts.created_at,
    updatedAt: facts.updated_at,
    secretReplaced: facts.secret_replaced_at !== null,
    attributes: facts.attributes,
  };
}

/** The person, project or machine whose token it is; the organization where none is named. */
export function ownerOf(facts: KeptFacts): string {
  return facts.user_id ?? facts.project_id ?? facts.identity_id ?? facts.organization_id;
}

/** The presented secret may end before its token does, never after it. */
function expiryOf(facts: KeptFacts): Instant | null {
  return Instant.earliest(facts.expires_at, facts.secret_expires_at);
}

/** People and machines bound their tokens by the role they have now; one without a role has nothing to give. */
function ownerBound(facts: KeptFacts, platform: boolean): readonly string[] | null {
  if (facts.user_id === null && facts.identity_id === null) return null;
  return patternsOf(facts.owner_role_key, facts.owner_role_permissions, platform) ?? [];
}

function patternsOf(key: string | null, permissions: readonly string[] | null, platform: boolean): readonly string[] | null {
  return key === null ? null : patternsOfRole({ key, permissions: permissions ?? [] }, platform);
}
