import { describe, expect, it } from 'vitest';
import { BASE_62, drawText } from './random-text.js';

describe('drawText', () => {
  it.each([BASE_62, 'ab', '0123456789abcdef', '0123456789'])('draws every character of %s as often as any other, at every place', (alphabet) => {
    const texts = Array.from({ length: 5_000 }, () => drawText(alphabet, 12));
    for (let place = 0; place < 12; place += 1) {
      const counts = [...alphabet].map((character) => texts.filter((text) => text[place] === character).length);
      const expected = texts.length / alphabet.length;
      const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
      // Eight standard deviations beyond the mean of so many degrees of freedom.
      const freedom = alphabet.length - 1;
      expect(chiSquare).toBeLessThan(freedom + 8 * Math.sqrt(2 * freedom) + 8);
    }
  });

  it('never draws the same twice, however much is drawn', () => {
    const texts = Array.from({ length: 20_000 }, () => drawText(BASE_62, 43));
    expect(new Set(texts).size).toBe(texts.length);
    expect(texts.every((text) => /^[0-9A-Za-z]{43}$/.test(text))).toBe(true);
  });
});
