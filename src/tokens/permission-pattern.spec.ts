import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { covers, EVERYTHING, expand, isPermissionKey, isPermissionPattern, isWildcard } from './permission-pattern.js';

// Few and alike, so that equal and nearly equal ones meet often.
const word = fc.constantFrom('invoice', 'invoices', 'in', 'user', 'read', 'reader', 'write', 'a', 'platform', 'platforms');
const key = fc.array(word, { minLength: 2, maxLength: 3 }).map((segments) => segments.join(':'));
const pattern = fc.array(fc.oneof(word, fc.constant('*')), { minLength: 2, maxLength: 3 }).map((segments) => segments.join(':'));

/** Said in another way: `*` is a run without a colon, and the first is not the operator's. */
const meant = (text: string): RegExp =>
  new RegExp(`^${text.startsWith('*') ? '(?!platform:)' : ''}${text.split('*').join('[^:]+')}$`);

describe('covers', () => {
  it('lets `*` stand for exactly one whole segment', () => {
    fc.assert(fc.property(pattern, key, (wide, permission) => {
      expect([wide, permission, covers(wide, permission)]).toEqual([wide, permission, meant(wide).test(permission)]);
    }));
  });

  it('is never misled by a prefix, a suffix or a part of a word', () => {
    fc.assert(fc.property(key, word, (permission, more) => {
      for (const other of [`${permission}${more}`, `${more}${permission}`, `${permission}:${more}`, permission.slice(0, -1), permission.slice(1), permission.toUpperCase(), ` ${permission}`]) {
        expect([permission, other, covers(permission, other)]).toEqual([permission, other, false]);
      }
    }));
    expect(covers('invoice:*', 'invoices:read')).toBe(false);
    expect(covers('invoice:*', 'invoice-draft:read')).toBe(false);
    expect(covers('invoice:*', 'invoice:line:read')).toBe(false);
    expect(covers('*:read', 'invoice:line:read')).toBe(false);
    expect(covers('user:*:read', 'user:api-token:read')).toBe(true);
  });

  it('covers another pattern only where it covers all that one can stand for', () => {
    fc.assert(fc.property(pattern, pattern, key, (wide, narrow, permission) => {
      if (covers(wide, narrow) && covers(narrow, permission)) expect([wide, narrow, permission, covers(wide, permission)]).toEqual([wide, narrow, permission, true]);
    }), { numRuns: 2000 });
    expect(covers('invoice:read', 'invoice:*')).toBe(false);
    expect(covers('*:*', 'invoice:*')).toBe(true);
    expect(covers('invoice:*', '*:*')).toBe(false);
  });

  it('gives the operator\'s permissions to nobody by a wildcard before them, not even by everything', () => {
    fc.assert(fc.property(pattern.filter((text) => text.startsWith('*')), word, (wide, action) => {
      expect(covers(wide, `platform:${action}`)).toBe(false);
      expect(covers(wide, `platform:*:${action}`)).toBe(false);
    }));
    expect(covers(EVERYTHING, 'platform:organization:write')).toBe(false);
    expect(covers(EVERYTHING, 'platform:*')).toBe(false);
    expect(covers('platform:*:read', 'platform:organization:read')).toBe(true);
  });

  it('lets everything be covered by nothing but itself', () => {
    fc.assert(fc.property(pattern, (narrow) => {
      expect(covers(narrow, EVERYTHING)).toBe(false);
      expect(covers(EVERYTHING, narrow)).toBe(!narrow.startsWith('platform:'));
    }));
    expect(covers(EVERYTHING, EVERYTHING)).toBe(true);
  });
});

describe('expand', () => {
  it('finds among the permissions exactly those that a pattern stands for, and invents none', () => {
    fc.assert(fc.property(fc.array(pattern, { maxLength: 4 }), fc.array(key, { maxLength: 12 }), (patterns, known) => {
      const expected = known.filter((permission) => patterns.some((wide) => meant(wide).test(permission)));
      expect([...expand(patterns, known)].sort()).toEqual([...new Set(expected)].sort());
    }));
  });
});

describe('the shape of a permission', () => {
  it.each(['invoice:read', 'user:api-token:write', 'a:b', '2fa:reset'])('takes %j, which is a pattern too', (text) => {
    expect([isPermissionKey(text), isPermissionPattern(text), isWildcard(text)]).toEqual([true, true, false]);
  });

  it.each(['invoice:*', 'user:*:read', '*:read', '*:*', 'platform:*:*'])('takes %j as a pattern only', (text) => {
    expect([isPermissionKey(text), isPermissionPattern(text), isWildcard(text)]).toEqual([false, true, true]);
  });

  it.each(['', '*', 'invoice', ':', 'invoice:', ':read', 'a:b:c:d', 'Invoice:read', 'invoice:re*', 'invoice:**', 'invoice: read', 'invoice:read\n',
    'ínvoice:read', 'invoice:-read', 'invoice--x:read', 'invoice:read,token:read', `${'x'.repeat(99)}:a`])('takes %j as neither', (text) => {
    expect([isPermissionKey(text), isPermissionPattern(text)]).toEqual([false, false]);
  });
});
