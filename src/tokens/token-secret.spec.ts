import { describe, expect, it } from 'vitest';
import { KeyRing } from '../kernel/key-ring.js';
import { drawSecret, hasValidChecksum, hintOf, SecretHasher } from './token-secret.js';

describe('drawSecret', () => {
  it('puts 43 characters of entropy and 6 of checksum behind the look', () => {
    expect(drawSecret('api_')).toMatch(/^api_[0-9A-Za-z]{49}$/);
  });

  it('never repeats, and uses the whole alphabet evenly at every place', () => {
    const bodies = Array.from({ length: 5_000 }, () => drawSecret('').slice(0, 43));
    expect(new Set(bodies).size).toBe(bodies.length);
    for (let place = 0; place < 43; place += 1) {
      const counts = new Map<string, number>();
      for (const body of bodies) counts.set(body[place] ?? '', (counts.get(body[place] ?? '') ?? 0) + 1);
      const expected = bodies.length / 62;
      const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
      // 61 degrees of freedom: beyond 130 is rarer than one in a million.
      expect(chiSquare).toBeLessThan(130);
    }
  });
});

describe('hasValidChecksum', () => {
  const secret = drawSecret('default:development.');

  it('accepts what was drawn, whatever look it has', () => {
    for (const look of ['', 'api_', 'idt_', '*:production.', '[]:default.']) expect(hasValidChecksum(drawSecret(look))).toBe(true);
  });

  it('refuses every change of one character, every truncation and every extension', () => {
    for (let place = 0; place < secret.length; place += 1) {
      const other = secret[place] === 'x' ? 'y' : 'x';
      expect(hasValidChecksum(secret.slice(0, place) + other + secret.slice(place + 1))).toBe(false);
      expect(hasValidChecksum(secret.slice(0, place))).toBe(false);
      expect(hasValidChecksum(secret.slice(place + 1))).toBe(false);
    }
    for (const more of ['0', ' ', '\n', '\0', secret]) expect(hasValidChecksum(secret + more)).toBe(false);
  });
});

describe('SecretHasher', () => {
  const [older, newer] = ['older-key-0123456789-abcdefghijklmnop', 'newer-key-0123456789-abcdefghijklmnop'];
  const secret = drawSecret('api_');

  it('finds under a retired key what was stored under it, and knows that it is not current', () => {
    const stored = new SecretHasher(new KeyRing([older])).hash(secret);
    const hasher = new SecretHasher(new KeyRing([newer, older]));
    expect(hasher.hashes(secret).some((hash) => hash.equals(stored.hash))).toBe(true);
    expect(hasher.isCurrent(stored.pepperId)).toBe(false);
    expect(hasher.isCurrent(hasher.hash(secret).pepperId)).toBe(true);
  });

  it('hashes differently under another key: the database alone confirms no guess', () => {
    expect(new SecretHasher(new KeyRing([older])).hash(secret).hash).not.toEqual(new SecretHasher(new KeyRing([newer])).hash(secret).hash);
  });
});

describe('hintOf', () => {
  it('shows the look and the last four characters only', () => {
    const secret = drawSecret('api_');
    expect(hintOf(secret, 'api_')).toBe(`api_…${secret.slice(-4)}`);
  });
});
