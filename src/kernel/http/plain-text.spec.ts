import { describe, expect, it } from 'vitest';
import { isPlainText } from './plain-text.js';

describe('plain text', () => {
  it.each(['Sales', 'Büro 24/7', '영업', 'मित्र', '🚀', '❤\uFE0F', 'naïve — “x”', '=cmd|x', '<script>'])('is %j', (text) => {
    expect(isPlainText(text)).toBe(true);
  });

  it.each(['0000', '000A', '001B', '0085', '00AD', '034F', '115F', '17B4', '180B', '200B', '200D', '202E', '2028', '2060', '2800', '3164', 'D800', 'E000', 'FEFF', 'FFA0', 'E0001', 'E0100'])('is nothing with U+%s', (code) => {
    expect(isPlainText(`a${String.fromCodePoint(parseInt(code, 16))}b`)).toBe(false);
  });
});
