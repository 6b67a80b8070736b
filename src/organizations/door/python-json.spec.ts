import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findJsonFault } from './python-json.js';

/** What `json.loads` of Python 3.11 says of these texts. */
const FAULTS: readonly (readonly [text: string, position: number, message: string])[] = [
  ['', 0, 'Expecting value'],
  ['  ', 2, 'Expecting value'],
  ['nul', 0, 'Expecting value'],
  ['-', 0, 'Expecting value'],
  ['.5', 0, 'Expecting value'],
  ['+1', 0, 'Expecting value'],
  ['01', 1, 'Extra data'],
  ['1.', 1, 'Extra data'],
  ['1e', 1, 'Extra data'],
  ['{} {}', 3, 'Extra data'],
  ['"é😀" x', 5, 'Extra data'],
  ['[', 1, 'Expecting value'],
  ['[1,]', 3, 'Expecting value'],
  ['[1 2]', 3, "Expecting ',' delimiter"],
  ['[1', 2, "Expecting ',' delimiter"],
  ['{', 1, 'Expecting property name enclosed in double quotes'],
  ['{a:1}', 1, 'Expecting property name enclosed in double quotes'],
  ['{"a":1,}', 7, 'Expecting property name enclosed in double quotes'],
  ['{"a":1,', 7, 'Expecting property name enclosed in double quotes'],
  ['{"a"', 4, "Expecting ':' delimiter"],
  ['{"a" 1}', 5, "Expecting ':' delimiter"],
  ['{"a":}', 5, 'Expecting value'],
  ['{"a":1 "b":2}', 7, "Expecting ',' delimiter"],
  ['"abc', 0, 'Unterminated string starting at'],
  ['["a", "b', 6, 'Unterminated string starting at'],
  ['"a\\', 0, 'Unterminated string starting at'],
  ['"a\tb"', 2, 'Invalid control character at'],
  ['"a\\qb"', 2, 'Invalid \\escape'],
  ['"\\u12g4"', 2, 'Invalid \\uXXXX escape'],
  ['"\\u00e9', 2, 'Invalid \\uXXXX escape'],
];

describe('findJsonFault', () => {
  it.each(FAULTS)('finds in %j at %i: %s', (text, position, message) => {
    expect(findJsonFault(text)).toEqual({ position, message });
  });

  it('finds nothing in what Python reads, NaN and infinities among it', () => {
    for (const text of ['NaN', '[Infinity, -Infinity]', ' {"a" : [1e5, -0.0, {"\\ud800": null}]}\n', '"\u007f\u2028"']) expect(findJsonFault(text)).toBeNull();
  });

  it('does not follow a text down for ever', () => {
    expect(findJsonFault('['.repeat(100_000))).toBeNull();
  });

  it('finds a fault exactly where JSON.parse does, as long as no NaN is in it', () => {
    const pieces = fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '"a"', '1', '-0.5e3', 'true', 'null', ' ', '\\', '\\n', '\\u00e9', '\n', 'é');
    const mended = fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join(''));
    const broken = fc.tuple(fc.json(), fc.nat(), pieces).map(([text, at, piece]) => text.slice(0, at % (text.length + 1)) + piece + text.slice(at % (text.length + 1)));
    fc.assert(
      fc.property(fc.oneof(mended, broken, fc.json()), (text) => {
        expect(findJsonFault(text) === null).toBe(isJson(text));
      }),
      { numRuns: 3_000 },
    );
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
