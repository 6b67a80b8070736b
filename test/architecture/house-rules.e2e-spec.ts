import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DOORS } from '../../src/doors.js';
import { problemDoor } from '../../src/kernel/http/problem.js';

const ROOT = new URL('../../', import.meta.url).pathname;

function sources(folder: string): readonly string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

describe('the engine and the kernel', () => {
  it('name no vendor', () => {
    const vendors = /infisical|unleash|fynn|deepset|haystack|flipt/i;
    const naming = ['src/kernel', 'src/audit', 'src/tokens', 'src/access'].flatMap(sources).filter((path) => vendors.test(read(path)));
    expect(naming).toEqual([]);
  });
});

describe('the environment', () => {
  it('is read where the service and its commands begin, and nowhere else', () => {
    expect(sources('src').filter((path) => /process\.env/.test(read(path))).sort()).toEqual(['src/import-flipt.ts', 'src/import-unleash.ts', 'src/main.ts']);
  });
});

describe('names', () => {
  it('have no file that says nothing', () => {
    const saying = /\b(utils?|helpers?|common|index|misc|manager)\b/;
    expect(sources('src').filter((path) => saying.test(path))).toEqual([]);
  });

  it('of DTO classes are unique: the OpenAPI document keys its schemas by them', () => {
    const names = sources('src').filter((path) => path.endsWith('.dto.ts')).flatMap((path) => [...read(path).matchAll(/^export class (\w+)/gm)].map(([, name]) => name));
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });
});

describe('failures', () => {
  const declared = [...read('src/kernel/failure.ts').matchAll(/^ {2}'([a-z-]+)':/gm)].map(([, code]) => code).sort();

  it('are listed in docs/errors.md, all and no other', () => {
    const documented = [...read('docs/errors.md').matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, code]) => code).sort();
    expect(documented).toEqual(declared);
  });

  it('are answered by every door', () => {
    for (const door of [...DOORS, problemDoor]) expect([door.name, Object.keys(door.replies).sort()]).toEqual([door.name, declared]);
  });
});
