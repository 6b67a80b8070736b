import type { Actor } from '../audit/actor.js';
import type { Instant } from '../kernel/instant.js';

export const TOKEN_KINDS = ['user', 'project', 'machine-identity', 'organization', 'auth-method'] as const;
export type TokenKind = (typeof TOKEN_KINDS)[number];

/** Whose token it is: a person, a project or a machine; the organization itself where none is named. */
export type TokenOwner =
  | { readonly userId: string }
  | { readonly projectId: string }
  | { readonly identityId: string }
  | { readonly organization: true };

export interface ProjectRef {
  readonly id: string;
  readonly key: string;
}

/** `all`, or exactly these, be they none. */
export type ProjectScope = 'all' | readonly ProjectRef[];

export const TOKEN_STATES = ['active', 'blocked', 'expired', 'revoked'] as const;
export type TokenState = (typeof TOKEN_STATES)[number];

/** Rules of a policy that a token keeps or breaks by what it is. */
export type PolicyRule = 'kind-not-allowed' | 'expiry-required' | 'lifetime-too-long' | 'addresses-required' | 'permissions-not-allowed';

/** Why policies block a token that is otherwise live. */
export type BlockReason = PolicyRule | 'idle';

/** What people write beside a token; it means nothing to the service. */
export type TokenMetadata = Readonly<Record<string, string | number | boolean | null>>;

/** A token as anyone may see it: neither secret nor hash. */
export interface Token {
  readonly organizationId: string;
  readonly id: string;
  readonly shortId: string | null;
  /** Counts the numbered tokens of one person from 1; null for all others. */
  readonly number: number | null;
  readonly kind: TokenKind;
  readonly name: string | null;
  readonly description: string | null;
  /** The person, project, machine or organization whose token it is. */
  readonly ownerId: string;
  readonly userId: string | null;
  readonly parentId: string | null;
  /** The client secret it was obtained with; null for a token that was minted. */
  readonly clientSecretId: string | null;
  /** The sub-organization it acts in instead of its organization; null for all others. */
  readonly subOrganizationId: string | null;
  /** Keys of its projects; `['*']` for all. */
  readonly projects: readonly string[];
  readonly environment: string | null;
  /** Its own list; null where it has none beside its role and owner. */
  readonly permissions: readonly string[] | null;
  readonly roleId: string | null;
  readonly hint: string;
  readonly allowedAddresses: readonly string[] | null;
  readonly ttlSeconds: number | null;
  readonly maxTtlSeconds: number | null;
  readonly expiresAt: Instant | null;
  readonly usesLimit: number | null;
  readonly useCount: number;
  readonly lastUsedAt: Instant | null;
  readonly lastUsedIp: string | null;
  readonly lastUsedUserAgent: string | null;
  readonly renewedAt: Instant | null;
  readonly createdAt: Instant;
  readonly createdBy: string;
  readonly updatedAt: Instant;
  readonly revokedAt: Instant | null;
  readonly revokedBy: string | null;
  readonly revocationReason: string | null;
  /** A secret that was reported to have leaked opens it at the moment it is read. */
  readonly exposed: boolean;
  /** When a secret of it was last reported to have leaked that had not been before. */
  readonly exposedAt: Instant | null;
  /** The token whose end took it along; null where it was ended itself. */
  readonly revokedWith: string | null;
  readonly metadata: TokenMetadata;
  /** What a door wrote to echo it later. */
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Its next secret, which waits for its first use; null where there is none. */
  readonly pendingRotation: PendingRotation | null;
  /** Why policies block it at the moment it is read; null where they do not. */
  readonly blockReason: BlockReason | null;
  /** When a rotation was last completed by the first use of its secret. */
  readonly rotatedAt: Instant | null;
  readonly rotationIntervalDays: number | null;
  /** When its secret should be another; null where no interval is set. */
  readonly rotationDueAt: Instant | null;
  /** When somebody last presented a secret that had been replaced, as far as it was recorded: at most once an hour. */
  readonly reuseDetectedAt: Instant | null;
}

export interface PendingRotation {
  readonly since: Instant;
  readonly hint: string;
  /** How much longer the secrets in use work from its first use on. */
  readonly overlapSeconds: number;
}

/** A token and the only showing of its secret. */
export interface MintedToken {
  readonly token: Token;
  readonly secret: string;
}

/** What to mint. Whatever is left out is not limited, except that nothing exceeds the caller. */
export interface MintRequest {
  readonly kind: TokenKind;
  readonly owner: TokenOwner;
  /** The look before the secret, such as `api_`. */
  readonly secretPrefix: string;
  readonly shortId?: string;
  readonly number?: number;
  readonly name?: string | null;
  readonly description?: string | null;
  /** `owner`: whatever its owner may do at the time of use. */
  readonly permissions: readonly string[] | 'owner';
  readonly clientSecretId?: string;
  /** Where it shall act, if its owner is admitted there: with the rights the owner has there, and in all its projects. */
  readonly subOrganizationId?: string | null;
  /** Bounds it by a role as the role is at the time of use. */
  readonly roleId?: string | null;
  readonly projects?: ProjectScope;
  /** Key of an environment that each of the projects has; of all projects, at least one. */
  readonly environment?: string | null;
  readonly allowedAddresses?: readonly string[] | null;
  /** Addresses that bound it beside its own, by what its owner is set to. */
  readonly ownerAddresses?: readonly string[] | null;
  /** Its life until it is renewed; null: no bound of this kind. */
  readonly ttlSeconds?: number | null;
  /** Its whole life, renewed as often as may be. */
  readonly maxTtlSeconds?: number | null;
  /** Asked for: ends it before what the two above allow, and is refused, not cut, where a policy allows less. */
  readonly expiresAt?: Instant | null;
  readonly usesLimit?: number | null;
  readonly metadata?: TokenMetadata;
  readonly attributes?: Readonly<Record<string, unknown>>;
  /** What else it was decided by. */
  readonly grounds?: MintGrounds;
}

/**
 * What must still be so when a token is written (`GroundsChanged`): that this person has the token's role, or what the SQL
 * function `identity_grounds` says of the machine, of which this is the `grounds_digest`.
 */
export type MintGrounds = { readonly roleOf: string } | { readonly identity: string };

/** What to change of a token; what is left out stays. */
export interface TokenChange {
  readonly name?: string | null;
  readonly description?: string | null;
  /** Null: never. */
  readonly expiresAt?: Instant | null;
  /** Whole days from 1 to 3,650; null: no reminder. */
  readonly rotationIntervalDays?: number | null;
  readonly metadata?: TokenMetadata;
  readonly permissions?: readonly string[];
  /** Null: from anywhere. */
  readonly allowedAddresses?: readonly string[] | null;
}

/** Who asks the engine, and what they hold at this moment. */
export interface Caller {
  readonly organizationId: string;
  readonly actor: Actor;
  readonly permissions: ReadonlySet<string>;
  /** The patterns that bound the permissions; left out, no wildcard can be handed on. */
  readonly bounds?: readonly (readonly string[])[];
  /** True where the permissions are fewer than the owner of the credential holds. */
  readonly narrowed: boolean;
  readonly projects: ProjectScope;
  /** The token the caller acts with; null for a session. */
  readonly tokenId: string | null;
  /** Who keeps that token where it is not the organization above: the parent of that sub-organization. */
  readonly tokenKeptIn?: string;
  /** True where the secret it acts with has been replaced and works for the overlap only. */
  readonly secretReplaced?: boolean;
}
