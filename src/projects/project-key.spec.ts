import { describe, expect, it } from 'vitest';
import { foldName } from '../kernel/names.js';
import { isProjectKey, isReservedKey } from './project-key.js';

describe('a key', () => {
  it.each(['a', '7', 'checkout', 'web-shop', 'web_shop', 'web.shop', 'a--b', 'v2.1', 'a.', 'x'.repeat(100)])('may be %j, and is its own folded form', (key) => {
    expect([isProjectKey(key), isReservedKey(key), foldName(key)]).toEqual([true, false, key]);
  });

  it.each(['', '.', '..', '-a', '_a', '.a', 'A', 'Web', 'a b', ' a', 'a\n', 'a/b', 'a:b', 'a*', '*', '[]', 'a[', 'a+b', 'a,b', 'a%2fb', 'ä', 'а', 'ａ', 'a\u200db', 'a\0', 'x'.repeat(101)])(
    'may not be %j',
    (key) => {
      expect(isProjectKey(key)).toBe(false);
    },
  );

  it.each(['all', 'any', 'none', 'null', 'undefined', 'me', 'self', 'new', 'admin', 'platform', '3f2b8c1e-0a4d-4c7e-9b1a-2f6d5e8c7a90'])('must not be %j, though it is well-formed', (key) => {
    expect([isProjectKey(key), isReservedKey(key)]).toEqual([true, true]);
  });

  it('may be the word every organization begins with', () => {
    expect([isProjectKey('default'), isReservedKey('default')]).toEqual([true, false]);
  });
});
