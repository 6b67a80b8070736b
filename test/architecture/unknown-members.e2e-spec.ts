import { beforeAll, describe, expect, it } from 'vitest';
import { Doors } from '../../src/kernel/http/doors.js';
import { problemDoor } from '../../src/kernel/http/problem.js';
import { theApp } from '../support/app.js';
import { call } from '../support/call.js';
import { ownInstallation } from '../support/installation.js';

/** What decides elsewhere whose something is, what it may do and whether it lives; no request says it. */
const READ_ONLY = {
  'id': 'd303d5a9-5431-4b03-a1bd-fe53f0269ff3',
  'organization_id': 'd303d5a9-5431-4b03-a1bd-fe53f0269ff3',
  'organizationId': 'd303d5a9-5431-4b03-a1bd-fe53f0269ff3',
  'created_by': 'd303d5a9-5431-4b03-a1bd-fe53f0269ff3',
  'created_at': '2026-01-01T00:00:00Z',
  'revoked_at': null,
  'secret_hash': '00',
  'use_count': 0,
  'platform': true,
  'built_in': false,
  'is_admin': true,
  '__proto__x': {},
};

/** Its body is GitHub's to say, and grows as GitHub likes. */
const NOT_OURS = '/v1/secret-scanning/github';

interface Write {
  readonly method: string;
  readonly path: string;
}

const installation = ownInstallation();
let writes: Write[];
let token: string;
beforeAll(async () => {
  const { app } = await theApp();
  const { body: document } = await call('GET', '/openapi.json');
  writes = Object.entries<Record<string, any>>(document.paths)
    .filter(([path]) => path !== NOT_OURS && app.get(Doors).at(path).name === problemDoor.name)
    .flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, reads: Boolean(operation.requestBody?.content?.['application/json']) })))
    .filter(({ reads }) => reads);
  token = (await call('POST', '/user/api-tokens', { as: installation.platform.admin.session, body: {} })).body.token;
});

/** As whoever gets past the guard: a person, or else a token. */
async function ask(method: string, url: string, body: object): Promise<{ status: number; paths: string[] }> {
  for (const as of [installation.platform.admin.session, token]) {
    const { status, body: answer } = await call(method, url, { as, body });
    if (status !== 403) return { status, paths: (answer?.errors ?? []).map(({ path }: { path: string }) => path) };
  }
  return { status: 403, paths: [] };
}

describe('every body that our own routes read', () => {
  it('may have the members that are documented and no other: each one more is refused by its name', async () => {
    expect(writes.length).toBeGreaterThan(30);
    for (const { method, path } of writes) {
      const { status, paths } = await ask(method, path.replace(/\{\w+\}/g, 'x'), READ_ONLY);
      expect([method, path, status, Object.keys(READ_ONLY).filter((member) => !paths.includes(member))]).toEqual([method, path, 400, []]);
    }
  });

  it('down to the members of its members', async () => {
    const as = installation.platform.admin.session;
    const admin = { email: 'ada@acme.test', password: 'correct horse battery staple', role: 'ADMIN', id: 'x' };
    const { status, body } = await call('POST', '/v1/organizations', { as, body: { slug: 'acme', name: 'Acme', admin } });
    expect([status, body.errors.map(({ path }: { path: string }) => path)]).toEqual([400, ['admin.role', 'admin.id']]);
    const { status: ofPolicy, body: policy } = await call('PUT', '/v1/policy', { as, body: { longest_lifetime_seconds: { users: 5 } } });
    expect([ofPolicy, policy.errors[0].path]).toEqual([400, 'longest_lifetime_seconds.users']);
  });
});

it.each(['/v1/sessions?usr=all', '/v1/tokens/x?reson=superseded'])('a parameter that DELETE %s does not know is refused, for what it leaves out is another request', async (url) => {
  const { status, body } = await call('DELETE', url, { as: installation.platform.admin.session });
  expect([status, body.errors[0].message]).toEqual([400, 'is not known here']);
});
