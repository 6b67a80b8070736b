import type { Instant } from '../kernel/instant.js';
import type { Policy } from './policy.js';
import type { TokenKind } from './token.js';

/** A row of the SQL function `token_facts_of`: all that a verdict depends on, as it stands in the database now. */
export interface TokenFacts {
  readonly organization_id: string;
  readonly organization_slug: string;
  readonly organization_name: string;
  readonly organization_platform: boolean;
  readonly organization_suspended_at: Instant | null;
  /** Where its row is kept: another organization than it acts in for a token of a sub-organization. */
  readonly kept_in: string;
  readonly id: string;
  readonly short_id: string | null;
  readonly kind: TokenKind;
  readonly name: string | null;
  readonly description: string | null;
  readonly hint: string;
  readonly user_id: string | null;
  readonly project_id: string | null;
  readonly identity_id: string | null;
  readonly parent_id: string | null;
  readonly permissions: readonly string[] | null;
  readonly token_role_key: string | null;
  readonly token_role_permissions: readonly string[] | null;
  readonly owner_role_key: string | null;
  readonly owner_role_permissions: readonly string[] | null;
  readonly owner_disabled_at: Instant | null;
  readonly owner_exists: boolean;
  readonly user_email: string | null;
  readonly user_name: string | null;
  readonly registered_permissions: readonly string[];
  readonly all_projects: boolean;
  readonly project_ids: readonly string[] | null;
  readonly project_keys: readonly string[] | null;
  readonly environment: string | null;
  readonly environment_exists: boolean;
  readonly allowed_addresses: readonly string[] | null;
  readonly owner_allowed_addresses: readonly string[] | null;
  readonly expires_at: Instant | null;
  /** bigint columns arrive as text */
  readonly uses_limit: string | null;
  readonly use_count: string;
  readonly last_used_at: Instant | null;
  readonly renewed_at: Instant | null;
  readonly created_at: Instant;
  readonly created_by: string;
  readonly updated_at: Instant;
  readonly revoked_at: Instant | null;
  readonly revoked_by: string | null;
  readonly revocation_reason: string | null;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly pepper_id: string;
  readonly secret_hash: Buffer;
  readonly secret_expires_at: Instant | null;
  readonly secret_hint: string | null;
  /** It waits for its first use. */
  readonly secret_pending: boolean;
  /** When its successor was first used. */
  readonly secret_replaced_at: Instant | null;
  readonly reuse_detected_at: Instant | null;
  /** Each of them binds the token. */
  readonly policies: readonly Policy[];
}
