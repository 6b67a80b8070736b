import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { foldName, isReservedSlug, isSingleScript, isSlug } from './names.js';

describe('foldName', () => {
  it.each([
    ['Admin', 'ADMIN'],
    ['admin', 'ＡＤＭＩＮ'],
    ['admin', 'admın'],
    ['Straße', 'STRASSE'],
    ['ﬁnance', 'Finance'],
    ['office K', 'Office \u212A'],
    ['ΟΔΟΣ', 'οδος'],
    ['café', 'cafe\u0301'],
    ['on  call ', ' On\u00a0Call'],
    ['ſales', 'Sales'],
    ['Sales', 'Sa\u034Fles\uFE0F'],
    ['Sales', 'Sales\u3164'],
  ])('makes %j and %j one', (left, right) => {
    expect(foldName(left)).toBe(foldName(right));
  });

  it.each([['sales', 'sale'], ['café', 'cafe'], ['on call', 'oncall'], ['admin', 'аdmin']])('keeps %j and %j apart', (left, right) => {
    expect(foldName(left)).not.toBe(foldName(right));
  });

  it('changes nothing more when it is done again, and knows no case, form or outer space', () => {
    // JavaScript moves an accent when it puts the Greek iota below a letter into upper case.
    const text = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((each) => !each.normalize('NFD').includes('\u0345'));
    fc.assert(fc.property(text, (text) => {
      const folded = foldName(text);
      expect(foldName(folded)).toBe(folded);
      for (const other of [text.toUpperCase(), text.toLowerCase(), text.normalize('NFD'), text.normalize('NFKC'), ` ${text} `]) expect(foldName(other)).toBe(folded);
    }), { numRuns: 3000 });
  });
});

describe('isSingleScript', () => {
  it.each(['Sales', 'Büro 24/7', 'Продажи', 'Πωλήσεις', '営業チーム', 'チーム A', '販売部', '영업 team', 'مبيعات', 'विक्रय', '2026', '🚀', 'naïve — “x”'])('takes %j', (text) => {
    expect(isSingleScript(text)).toBe(true);
  });

  it.each(['Аdmin', 'Sаles', 'Πwλήσεις', 'рaypal', 'ADMΙN', '営業Продажи', 'สวัสดี मित्र'])('refuses %j, which mixes scripts', (text) => {
    expect(isSingleScript(text)).toBe(false);
  });
});

describe('a slug', () => {
  it.each(['a', '7', 'acme', 'acme-2', 'a--b', 'x'.repeat(63)])('may be %j', (text) => {
    expect(isSlug(text)).toBe(true);
  });

  it.each(['', '-a', 'a-', 'Acme', 'acme corp', 'a.b', '..', 'a/b', 'a*', 'a+b', 'a,b', 'äcme', 'a\n', 'a\u200Db', 'аcme', '%2e', 'x'.repeat(64)])('may not be %j', (text) => {
    expect(isSlug(text)).toBe(false);
  });

  it.each(['default', 'admin', 'api', 'auth', 'v1', 'platform', 'root', 'system', 'no-access'])('must not be the reserved word %j', (text) => {
    expect([isSlug(text), isReservedSlug(text)]).toEqual([true, true]);
  });
});
