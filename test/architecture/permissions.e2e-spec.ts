import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { AccessGuard } from '../../src/access/access.guard.js';
import { describePermissions } from '../../src/permissions-document.js';
import { aMember, aTenant, type Person, type TestTenant } from '../support/builders.js';
import { call } from '../support/call.js';

const text = readFileSync(new URL('../../docs/permissions.md', import.meta.url), 'utf8');
const ROLES = ['ADMIN', 'MEMBER', 'EXTERNAL'] as const;

/** The tables as a reader sees them: whatever the text says is put to the test below, however it got there. */
function rowsUnder(title: string): string[][] {
  const section = text.split(`## ${title}\n`)[1]?.split('\n## ')[0] ?? '';
  return section.split('\n').filter((line) => line.startsWith('| `')).map((line) => line.slice(2, -2).split(' | ').map((cell) => cell.replace(/^`|`$/g, '')));
}

const held = new Map(rowsUnder('Who holds what').map(([permission = '', ...cells]) => [permission, cells]));
const routes = rowsUnder('What each route asks for').map(([route = '', permission = '', credentials = '']) => {
  const [method = '', path = ''] = route.split(' ');
  return { method, path, permission, credentials };
});

let tenant: TestTenant;
beforeAll(async () => {
  tenant = await aTenant();
});

describe('docs/permissions.md', () => {
  it('says what the code says; `npm run docs:permissions` writes it anew', async () => {
    expect(text).toBe(describePermissions((await call('GET', '/openapi.json')).body));
  });

  it('tells of each role exactly what a session of it holds', async () => {
    for (const [place, role] of ROLES.entries()) {
      const { session } = await aMember(tenant, role);
      const said = [...held].filter(([, cells]) => cells[place] === 'yes').map(([permission]) => permission);
      expect([role, said.sort()]).toEqual([role, (await call('GET', '/auth/me', { as: session })).body.permissions]);
    }
  });

  it('tells of each route and role rightly whether the route is open to it', async () => {
    const guard = vi.spyOn(AccessGuard.prototype, 'admit');
    let cells = 0;
    try {
      for (const [place, role] of ROLES.entries()) {
        let person: Person = await aMember(tenant, role);
        for (const { method, path, permission, credentials } of routes) {
          if (!credentials.includes('session')) continue;
          if ((await call('GET', '/auth/me', { as: person.session })).status !== 200) person = await aMember(tenant, role);
          guard.mockClear();
          const { status } = await call(method, path.replace(/\{\w+\}/g, 'x'), { as: person.session, ...(!['GET', 'DELETE'].includes(method) && { body: {} }) });
          // Doors say a refusal in their own words; the guard's word is the same everywhere.
          const [asked] = guard.mock.results;
          const decision = asked?.type === 'throw' ? Promise.reject(asked.value as Error) : Promise.resolve(asked?.value);
          const verdict = await decision.then(() => asked && 'admitted', (error: { code: string }) => error.code);
          const open = permission === 'profile:read' || held.get(permission)?.[place] === 'yes';
          expect([role, method, path, verdict, status === 401]).toEqual([role, method, path, open ? 'admitted' : 'permission-missing', false]);
          if (!open) expect([role, method, path, status]).toEqual([role, method, path, 403]);
          cells += 1;
        }
      }
    } finally {
      guard.mockRestore();
    }
    expect(cells).toBeGreaterThan(ROLES.length * 60);
  });

  it('calls nothing public but what strangers need', () => {
    const open = routes.filter(({ permission }) => permission === 'public').map(({ method, path }) => `${method} ${path}`);
    for (const { method, path, credentials } of routes) expect(`${method} ${path} ${credentials === 'nothing'}`).toBe(`${method} ${path} ${open.includes(`${method} ${path}`)}`);
  });
});
