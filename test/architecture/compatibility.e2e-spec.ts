import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { call } from '../support/call.js';

const ROOT = new URL('../../', import.meta.url).pathname;
const read = (path: string): string => readFileSync(ROOT + path, 'utf8');

interface Row {
  readonly operation: string;
  readonly file: string;
  readonly test: string;
}

/** `| `POST /user/api-tokens` | … | `test/doors/fynn.e2e-spec.ts`: the test's title |` */
const rows: Row[] = [...read('docs/compatibility.md').matchAll(/^\| `([A-Z]+ \/[^`]*)` \|.*\| `(test\/[^`]+)`: (.+?) \|$/gm)].map(([, operation = '', file = '', test = '']) => ({ operation, file, test }));

describe('docs/compatibility.md', () => {
  it('has a row for every route of the five doors and for no other', async () => {
    const document = (await call('GET', '/openapi.json')).body;
    const ofDoors = Object.entries<Record<string, { tags: string[] }>>(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).filter(([, { tags }]) => tags.some((tag) => /\((Fynn|Unleash|Infisical|deepset|Flipt)\)$/.test(tag))).map(([method]) => `${method.toUpperCase()} ${path}`));
    expect([...new Set(rows.map(({ operation }) => operation))].sort()).toEqual(ofDoors.sort());
  });

  it('names for every route a test that exists', () => {
    const missing = rows.filter(({ file, test }) => !existsSync(ROOT + file) || !read(file).replaceAll("\\'", "'").includes(test));
    expect(missing).toEqual([]);
  });
});
