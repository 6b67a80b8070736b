import { Instant } from '../kernel/instant.js';
import { isAllowedAddress } from './address-list.js';
import { expand } from './permission-pattern.js';
import { allowedByAll, knownPermissions, patternsOfRole } from './permissions.js';
import type { TokenFacts } from './token-facts.js';
import type { ProjectScope, TokenKind } from './token.js';

export type InactiveReason =
  | 'unknown'
  | 'expired'
  | 'revoked'
  | 'owner-gone'
  | 'owner-disabled'
  | 'organization-suspended'
  | 'environment-gone'
  | 'address-not-allowed'
  | 'uses-spent';

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
  readonly attributes: Readonly<Record<string, unknown>>;
}

export type Verdict =
  | { readonly active: false; readonly reason: InactiveReason }
  | { readonly active: true; readonly token: VerifiedToken };

/**
 * Judges a token at an instant. Refused first, earned after: whatever is absent or gone refuses.
 * `address` is where the token is used from; null where that cannot be known, and then it is not judged.
 */
export function judge(facts: TokenFacts, now: Instant, address: string | null): Verdict {
  const reason = refusal(facts, now, address);
  return reason ? { active: false, reason } : { active: true, token: toVerifiedToken(facts) };
}

function refusal(facts: TokenFacts, now: Instant, address: string | null): InactiveReason | null {
  if (facts.revoked_at) return 'revoked';
  const expiresAt = expiryOf(facts);
  if (expiresAt && !now.isBefore(expiresAt)) return 'expired';
  if (facts.organization_suspended_at) return 'organization-suspended';
  if (!facts.owner_exists) return 'owner-gone';
  if (facts.owner_disabled_at) return 'owner-disabled';
  if (!facts.environment_exists) return 'environment-gone';
  if (address !== null && !isAllowedAddress(address, facts.allowed_addresses)) return 'address-not-allowed';
  if (address !== null && !isAllowedAddress(address, facts.owner_allowed_addresses)) return 'address-not-allowed';
  if (facts.uses_limit !== null && Number(facts.use_count) >= Number(facts.uses_limit)) return 'uses-spent';
  return null;
}

function toVerifiedToken(facts: TokenFacts): VerifiedToken {
  const platform = facts.organization_platform;
  const tokenRole = patternsOf(facts.token_role_key, facts.token_role_permissions, platform);
  const bounds = [facts.permissions, tokenRole, ownerBound(facts, platform)].filter((bound) => bound !== null);
  const known = knownPermissions(facts.registered_permissions, platform);
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
    permissions: allowedByAll(bounds.map((bound) => expand(bound, known))),
    bounds,
    narrowed: facts.permissions !== null || tokenRole !== null,
    expiresAt: expiryOf(facts),
    createdAt: facts.created_at,
    updatedAt: facts.updated_at,
    attributes: facts.attributes,
  };
}

/** The person, project or machine whose token it is; the organization where none is named. */
export function ownerOf(facts: TokenFacts): string {
  return facts.user_id ?? facts.project_id ?? facts.identity_id ?? facts.organization_id;
}

/** The presented secret may end before its token does, never after it. */
function expiryOf(facts: TokenFacts): Instant | null {
  return Instant.earliest(facts.expires_at, facts.secret_expires_at);
}

/** People and machines bound their tokens by the role they have now; one without a role has nothing to give. */
function ownerBound(facts: TokenFacts, platform: boolean): readonly string[] | null {
  if (facts.user_id === null && facts.identity_id === null) return null;
  return patternsOf(facts.owner_role_key, facts.owner_role_permissions, platform) ?? [];
}

function patternsOf(key: string | null, permissions: readonly string[] | null, platform: boolean): readonly string[] | null {
  return key === null ? null : patternsOfRole({ key, permissions: permissions ?? [] }, platform);
}
