import { describe, expect, it } from 'vitest';
import { canonicalJson, CHAIN_START, linkHash } from './audit-chain.js';

describe('canonical JSON', () => {
  it('is that of RFC 8785, section 3.2.2 and 3.2.3', () => {
    const numbers = [333333333.33333329, 1e30, 4.5, 2e-3, 0.000000000000000000000000001, -0];
    expect(canonicalJson({ numbers, string: '\u20ac$\u000f\u000aA\'\u0042\u0022\u005c\\"/', literals: [null, true, false] })).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27,0],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
    const keys = { '\u20ac': 'Euro Sign', '\r': 'Carriage Return', '\ufb33': 'Hebrew Letter Dalet With Dagesh', '1': 'One', '\ud83d\ude00': 'Emoji', '\u0080': 'Control', '\u00f6': 'O' };
    expect(Object.values(JSON.parse(canonicalJson(keys)) as object).sort()).toEqual(Object.values(keys).sort());
    expect([...canonicalJson(keys).matchAll(/:"([^"]+)"/g)].map(([, name]) => name)).toEqual([
      'Carriage Return', 'One', 'Control', 'O', 'Euro Sign', 'Emoji', 'Hebrew Letter Dalet With Dagesh',
    ]);
  });

  it('does not depend on the order of members, and keeps that of lists', () => {
    expect(canonicalJson({ b: [2, 1], a: { d: 1, c: 2 } })).toBe('{"a":{"c":2,"d":1},"b":[2,1]}');
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, '\ud800', undefined, 1n, { a: undefined }])('does not exist for what is no JSON value (%s)', (value) => {
    expect(() => canonicalJson(value)).toThrow(RangeError);
  });
});

it('a link is SHA-256 over the hash before and the canonical event', () => {
  // (head -c 32 /dev/zero; printf '{"a":1,"b":"é"}') | sha256sum
  expect(linkHash(CHAIN_START, canonicalJson({ b: 'é', a: 1 })).toString('hex')).toBe('f1375beace8cde0d4a163f3938c0ace579778d3adc9bd6a99ea9d06702b066b1');
});
