import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { drawSecret } from '../../tokens/token-secret.js';
import { toEcho } from './pydantic-echo.js';

describe('toEcho', () => {
  it('repeats words, ids, dates and numbers as they are', () => {
    const input = { a: ['maybe', '01234567-89ab-cdef-0123-456789abcdef', '2024-01-01T00:00:00+02:00', 1.5, null, true], '': {} };
    expect(toEcho(input)).toEqual(input);
    expect(toEcho(undefined)).toBeNull();
  });

  it('stars secrets, wherever they stand', () => {
    const secrets = [drawSecret('api_'), drawSecret('project:development.'), `${'a'.repeat(40)}.${'b'.repeat(60)}`, randomBytes(48).toString('base64'), 'f'.repeat(64)];
    for (const secret of secrets) {
      const echo = JSON.stringify(toEcho([`token=${secret}`, { [secret]: { deep: [secret] } }]));
      for (let from = 0; from + 20 <= secret.length; from += 1) {
        const part = secret.slice(from, from + 20);
        if (part.startsWith('project:')) continue;
        expect(echo).not.toContain(part);
      }
    }
  });

  it('cuts long text', () => {
    expect(toEcho('a b '.repeat(1_000))).toBe(`${'a b '.repeat(32)}…`);
    expect(toEcho('😀'.repeat(1_000))).toBe(`${'😀'.repeat(128)}…`);
  });
});
