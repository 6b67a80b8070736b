import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Instant } from '../kernel/instant.js';
import { intersectAddresses, isAllowedAddress } from './address-list.js';
import { expand, intersectPatterns } from './permission-pattern.js';
import { mergePolicies } from './policy-merge.js';
import { activeTokensMax, blockOf, boundedEnd, idleDays, NO_POLICY, ON_REUSE, onReuse, violations, type Policy, type PolicySubject } from './policy.js';
import { TOKEN_KINDS } from './token.js';

const NOW = Instant.fromEpochSeconds(1_900_000_000);
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { nil: null });

const segment = fc.constantFrom('*', 'a', 'b');
const pattern = fc.array(segment, { minLength: 2, maxLength: 3 }).map((segments) => segments.join(':'));
const patterns = fc.uniqueArray(pattern, { maxLength: 4 });
const ALL_KEYS = ['a', 'b', 'platform'].flatMap((one) => ['a', 'b'].flatMap((two) => [`${one}:${two}`, `${one}:${two}:a`, `${one}:${two}:b`]));

const address = fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })).map(([one, two]) => `10.0.${one}.${two}`);
const range = fc.oneof(address, fc.tuple(address, fc.constantFrom(0, 8, 22, 23, 24, 30, 31, 32)).map(([text, prefix]) => `${text}/${prefix}`), fc.constantFrom('::/0', '2001:db8::/32', '2001:db8::1'));
const ranges = fc.array(range, { maxLength: 4 });
const SOME_ADDRESSES = [...[0, 1, 2, 3].flatMap((one) => [0, 1, 2, 3].map((two) => `10.0.${one}.${two}`)), '10.9.9.9', '192.0.2.1', '::1', '2001:db8::1', '2001:db8::2', '::ffff:10.0.0.1'];

const aPolicy: fc.Arbitrary<Policy> = fc.record({
  longestLifetimeSeconds: fc.dictionary(fc.constantFrom(...TOKEN_KINDS), fc.integer({ min: 1, max: 5 })),
  expiryRequired: fc.boolean(),
  allowedKinds: maybe(fc.uniqueArray(fc.constantFrom(...TOKEN_KINDS))),
  allowedAddresses: maybe(ranges),
  addressesRequired: fc.boolean(),
  activeTokensMax: maybe(fc.nat(3)),
  idleDays: maybe(fc.integer({ min: 1, max: 3 })),
  allowedPermissions: maybe(patterns),
  onReuse: fc.constantFrom(...ON_REUSE),
});

const aSubject: fc.Arbitrary<PolicySubject> = fc.record({
  kind: fc.constantFrom(...TOKEN_KINDS),
  permissions: maybe(fc.subarray(ALL_KEYS, { maxLength: 3 })),
  addressLists: fc.array(maybe(ranges), { maxLength: 2 }),
  createdAt: fc.constant(NOW),
  expiresAt: maybe(fc.integer({ min: 1, max: 7 }).map((seconds) => NOW.plusSeconds(seconds))),
});

describe('several policies together', () => {
  it('are one policy that allows what each of them does', () => {
    fc.assert(
      fc.property(fc.array(aPolicy, { maxLength: 4 }), aSubject, (policies, subject) => {
        const merged = mergePolicies(policies);
        const rules = (bound: readonly Policy[]): string[] => violations(bound, subject).map(({ rule }) => rule);
        // What addresses two lists have in common may keep some out where each by itself names a whole family.
        const without = (found: string[]): string[] => found.filter((rule) => rule !== 'addresses-required');
        expect(without(rules([merged]))).toEqual(without(rules(policies)));
        for (const used of SOME_ADDRESSES) expect(isAllowedAddress(used, merged.allowedAddresses)).toBe(policies.every(({ allowedAddresses }) => isAllowedAddress(used, allowedAddresses)));
        expect([activeTokensMax([merged]), idleDays([merged]), onReuse([merged])]).toEqual([activeTokensMax(policies), idleDays(policies), onReuse(policies)]);
        expect(mergePolicies([merged])).toEqual(merged);
      }),
      { numRuns: 500 },
    );
  });

  it('that are none limit nothing', () => {
    expect(mergePolicies([])).toEqual(NO_POLICY);
  });
});

describe('what two lists have in common', () => {
  it('is exactly what both stand for: permissions', () => {
    fc.assert(
      fc.property(patterns, patterns, (one, other) => {
        const both = [...expand(one, ALL_KEYS)].filter((key) => expand(other, [key]).size > 0);
        expect(new Set(expand(intersectPatterns(one, other), ALL_KEYS))).toEqual(new Set(both));
      }),
      { numRuns: 500 },
    );
  });

  it('is exactly what both let in: addresses', () => {
    fc.assert(
      fc.property(ranges, ranges, fc.constantFrom(...SOME_ADDRESSES), (one, other, used) => {
        expect(isAllowedAddress(used, intersectAddresses(one, other))).toBe(isAllowedAddress(used, one) && isAllowedAddress(used, other));
      }),
      { numRuns: 500 },
    );
  });
});

describe('a token under policies', () => {
  const user = (expiresAt: Instant | null): PolicySubject => ({ kind: 'user', permissions: null, addressLists: [], createdAt: NOW, expiresAt });
  const longest: Policy = { ...NO_POLICY, longestLifetimeSeconds: { user: 60 } };

  it('may live exactly as long as the longest lifetime, and not a microsecond longer', () => {
    expect(violations([longest], user(NOW.plusSeconds(60)))).toEqual([]);
    expect(violations([longest], user(NOW.plusSeconds(60.000001))).map(({ rule }) => rule)).toEqual(['lifetime-too-long']);
  });

  it('gets the longest lifetime where no end is asked for, and is never given one where an end is required', () => {
    const end = (policies: readonly Policy[]): Instant | null => boundedEnd(policies, 'user', { asked: null, end: null, now: NOW });
    expect(end([])).toBeNull();
    expect(end([longest])).toEqual(NOW.plusSeconds(60));
    expect(end([longest, { ...NO_POLICY, expiryRequired: true }])).toBeNull();
  });

  it('is idle from the very instant on at which the days have passed since the last sign of use', () => {
    const policies = [{ ...NO_POLICY, idleDays: 1 }];
    const day = 24 * 3600;
    const at = (seconds: number, signs: { lastUsedAt?: Instant; renewedAt?: Instant } = {}) =>
      blockOf(policies, { ...user(null), lastUsedAt: null, renewedAt: null, ...signs }, NOW.plusSeconds(seconds));
    expect([at(day - 0.000001), at(day)]).toEqual([null, 'idle']);
    expect([at(day, { lastUsedAt: NOW.plusSeconds(5) }), at(day + 5, { lastUsedAt: NOW.plusSeconds(5) })]).toEqual([null, 'idle']);
    expect([at(day, { renewedAt: NOW.plusSeconds(5) }), at(day + 5, { renewedAt: NOW.plusSeconds(5) })]).toEqual([null, 'idle']);
  });

  it('is bound to addresses by a list of its own, its machine\'s or a policy\'s, and not by one that names a whole family', () => {
    const required = { ...NO_POLICY, addressesRequired: true };
    const isBound = (addressLists: PolicySubject['addressLists'], ...policies: Policy[]): boolean => violations([required, ...policies], { ...user(null), addressLists }).length === 0;
    expect([isBound([]), isBound([null]), isBound([['0.0.0.0/0', '::/0']]), isBound([['192.0.2.1', '::/0']])]).toEqual([false, false, false, false]);
    expect([isBound([['192.0.2.1']]), isBound([null, ['192.0.2.0/24']]), isBound([[]]), isBound([null], { ...NO_POLICY, allowedAddresses: ['192.0.2.0/24'] })]).toEqual([true, true, true, true]);
  });
});
