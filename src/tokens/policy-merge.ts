import { intersectAddresses } from './address-list.js';
import { intersectPatterns } from './permission-pattern.js';
import { activeTokensMax, idleDays, longestLifetime, onExposure, onReuse, type Policy } from './policy.js';
import { TOKEN_KINDS } from './token.js';

/** The one policy that allows what all of these allow together. */
export function mergePolicies(policies: readonly Policy[]): Policy {
  return {
    longestLifetimeSeconds: Object.fromEntries(
      TOKEN_KINDS.map((kind) => [kind, longestLifetime(policies, kind)] as const).filter(([, seconds]) => seconds !== null)),
    expiryRequired: policies.some(({ expiryRequired }) => expiryRequired),
    allowedKinds: common(policies.map(({ allowedKinds }) => allowedKinds), (one, other) => one.filter((kind) => other.includes(kind))),
    allowedAddresses: common(policies.map(({ allowedAddresses }) => allowedAddresses), intersectAddresses),
    addressesRequired: policies.some(({ addressesRequired }) => addressesRequired),
    activeTokensMax: activeTokensMax(policies),
    idleDays: idleDays(policies),
    allowedPermissions: common(policies.map(({ allowedPermissions }) => allowedPermissions), intersectPatterns),
    onReuse: onReuse(policies),
    onExposure: onExposure(policies),
  };
}

/** What the lists have in common; null where none is given. */
function common<T>(lists: readonly (readonly T[] | null)[], intersect: (one: readonly T[], other: readonly T[]) => readonly T[]): readonly T[] | null {
  const [first, ...others] = lists.filter((list) => list !== null);
  return first === undefined ? null : others.reduce(intersect, first);
}
