import { NO_POLICY, type Policy } from '../tokens/policy.js';
import { TOKEN_KINDS } from '../tokens/token.js';
import type { PolicyView } from './policies.service.js';
import type { ChangePolicy, PolicyResource, PolicyRules } from './policy.dto.js';

/** What the body names in the place of what is there; null lifts a bound. */
export function toPolicy(body: ChangePolicy, current: Policy = NO_POLICY): Policy {
  const given = <T>(value: T | undefined, otherwise: T): T => (value === undefined ? otherwise : value);
  return {
    longestLifetimeSeconds: toLifetimes(body.longest_lifetime_seconds, current.longestLifetimeSeconds),
    expiryRequired: given(body.expiry_required, current.expiryRequired),
    allowedKinds: given(distinct(body.allowed_kinds), current.allowedKinds),
    allowedAddresses: given(distinct(body.allowed_addresses), current.allowedAddresses),
    addressesRequired: given(body.addresses_required, current.addressesRequired),
    activeTokensMax: given(body.active_tokens_max, current.activeTokensMax),
    idleDays: given(body.idle_days, current.idleDays),
    allowedPermissions: given(distinct(body.allowed_permissions), current.allowedPermissions),
    onReuse: given(body.on_reuse, current.onReuse),
    onExposure: given(body.on_exposure, current.onExposure),
  };
}

export function toResource({ own, effective, updatedAt }: PolicyView): PolicyResource {
  return { ...toRules(own), effective: { ...toRules(effective), on_exposure: effective.onExposure ?? 'revoke' }, updated_at: updatedAt?.toRfc3339() ?? null };
}

function toRules(policy: Policy): PolicyRules {
  return {
    longest_lifetime_seconds: Object.fromEntries(TOKEN_KINDS.map((kind) => [kind, policy.longestLifetimeSeconds[kind] ?? null])) as PolicyRules['longest_lifetime_seconds'],
    expiry_required: policy.expiryRequired,
    allowed_kinds: copy(policy.allowedKinds),
    allowed_addresses: copy(policy.allowedAddresses),
    addresses_required: policy.addressesRequired,
    active_tokens_max: policy.activeTokensMax,
    idle_days: policy.idleDays,
    allowed_permissions: copy(policy.allowedPermissions),
    on_reuse: policy.onReuse ?? 'alarm',
    on_exposure: policy.onExposure ?? null,
  };
}

function toLifetimes(given: ChangePolicy['longest_lifetime_seconds'], current: Policy['longestLifetimeSeconds']): Policy['longestLifetimeSeconds'] {
  if (given === null) return {};
  const lifetimes = { ...current, ...given };
  return Object.fromEntries(TOKEN_KINDS.map((kind) => [kind, lifetimes[kind]] as const).filter(([, seconds]) => seconds != null));
}

function distinct<T>(entries: readonly T[] | null | undefined): readonly T[] | null | undefined {
  return entries && [...new Set(entries)];
}

function copy<T>(entries: readonly T[] | null): T[] | null {
  return entries && [...entries];
}
