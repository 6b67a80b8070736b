import { beforeAll, describe, expect, it } from 'vitest';
import { LastUse } from '../../src/tokens/last-use.js';
import { theApp } from '../support/app.js';
import { aName, aProject, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { DOORS_UNDER_TEST, mint } from '../support/doors.js';

interface Operation {
  readonly method: string;
  readonly path: string;
  /** What its body may have. */
  readonly members: readonly string[];
}

let a: TestTenant;
let b: TestTenant;
let operations: Operation[];
/** Everything of B that a request could name. */
let foreign: Record<string, string[]>;
/** Texts that must never reach A. */
let canaries: string[];
const secrets: string[] = [];

const UNKNOWN = '11111111-1111-4111-8111-111111111111';

beforeAll(async () => {
  [a, b] = [await aTenant(), await aTenant({ slug: aName('canary') })];
  const project = await aProject(b, aName('canary-project'));
  const role = await aRole(b, ['token:read']);
  for (const door of DOORS_UNDER_TEST) secrets.push((await mint(door, b)).secret);
  const ids = async (table: string): Promise<string[]> => (await sql(b, `SELECT id FROM ${table}`)).map((row) => row['id'] as string);
  const tokens = await sql(b, 'SELECT id, short_id FROM api_tokens');
  foreign = {
    tokens: tokens.flatMap(({ id, short_id: shortId }) => [id as string, ...(shortId ? [shortId as string] : [])]),
    projects: [project, ...(await ids('projects'))],
    identities: await ids('machine_identities'),
    roles: [role, ...(await ids('roles'))],
    organizations: [b.id, b.slug],
    users: [b.admin.id],
    secrets,
  };
  canaries = [b.slug, b.admin.email, b.id, b.admin.id, project, ...foreign['identities'] ?? [], ...foreign['roles'] ?? []];
  const document = (await call('GET', '/openapi.json')).body;
  operations = Object.entries<Record<string, any>>(document.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, { requestBody }]) => {
    const schema = requestBody?.content?.['application/json']?.schema?.$ref?.split('/').at(-1) as string | undefined;
    return { method: method.toUpperCase(), path, members: schema === undefined ? [] : Object.keys(document.components.schemas[schema].properties ?? {}) };
  }));
});

/** A body that names nothing of its own; what it lacks is found out only after what the path names. */
const BODY = { name: 'x', tokenName: 'x', type: 'backend', environment: 'default', expiresAt: '2031-01-01T00:00:00Z', description: 'xxx' };

/** An id of the same shape that nobody has. */
function unlike(id: string): string {
  if (/^[0-9a-f-]{36}$/.test(id)) return UNKNOWN;
  const other: Record<string, string> = { '0': '1', a: 'b', A: 'B' };
  const last = id.at(-1) ?? '';
  return id.slice(0, -1) + (other[last] ?? (/\d/.test(last) ? '0' : /[a-z]/.test(last) ? 'a' : 'A'));
}

const ask = ({ method, path, members }: Operation, id: string): Promise<Answer> =>
  call(method, path.replace(/\{\w+\}/g, encodeURIComponent(id)), { as: a.admin.session, ...(['POST', 'PUT', 'PATCH'].includes(method) && { body: Object.fromEntries(Object.entries(BODY).filter(([member]) => members.includes(member))) }) });

/** The answer with what differs from request to request masked, and the id that was asked for, and what is said of its letters. */
function shapeOf({ status, text }: Answer, id: string): string {
  return `${status} ${text.replaceAll(encodeURIComponent(id), 'ID').replaceAll(id, 'ID').replace(/req-\w{14}/g, 'REQ').replace(/"id":"[0-9a-f-]{36}"/g, '"id":"E"').replace(/found `.` at \d+/gu, 'found `?`')}`;
}

async function fingerprint(): Promise<string> {
  const tables = ['api_tokens', 'projects', 'environments', 'machine_identities', 'token_auth_settings', 'roles', 'memberships', 'audit_events', 'token_projects'];
  const parts: string[] = [];
  for (const table of tables) parts.push(JSON.stringify(await sql(b, `SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS sum FROM ${table} t`)));
  return parts.join();
}

describe('for an organization, everything of another', () => {
  it('is absent at every route that names something in its path: same answer as for what does not exist, nothing changed', async () => {
    const before = await fingerprint();
    let cells = 0;
    for (const operation of operations.filter(({ path }) => path.includes('{'))) {
      for (const id of Object.values(foreign).flatMap((ids) => ids.slice(0, 3))) {
        const unknown = unlike(id);
        const [theirs, nobodys] = [await ask(operation, id), await ask(operation, unknown)];
        expect(`${operation.method} ${operation.path} ${shapeOf(theirs, id)}`).toBe(`${operation.method} ${operation.path} ${shapeOf(nobodys, unknown)}`);
        for (const canary of canaries.filter((text) => text !== id)) expect(theirs.text + JSON.stringify(theirs.headers)).not.toContain(canary);
        cells += 1;
      }
    }
    expect(cells).toBeGreaterThan(100);
    expect(await fingerprint()).toBe(before);
    for (const secret of secrets) expect(await introspect(b.admin.session, secret)).toMatchObject({ active: true });
    // Written now and not in the midst of what is compared below.
    await (await theApp()).app.get(LastUse).flush();
  }, 120_000);

  it('is in no list', async () => {
    for (const { method, path } of operations.filter((each) => each.method === 'GET' && !each.path.includes('{'))) {
      const { text } = await call(method, path, { as: a.admin.session });
      for (const canary of [...canaries, ...(foreign['tokens'] ?? [])]) expect(`${path} ${text}`).not.toContain(canary);
    }
  });

  it('cannot be named in a body', async () => {
    const as = a.admin.session;
    const before = await fingerprint();
    const [workspace = ''] = foreign['projects'] ?? [];
    const role = foreign['roles']?.at(-1) ?? '';
    const attempts: [string, object, object][] = [
      ['/api/v1/token', { workspaces: [workspace] }, { workspaces: [workspace.replace(/[a-z0-9]/g, 'q')] }],
      ['/api/v1/token', { role_id: role }, { role_id: UNKNOWN }],
      ['/api/v1/identities', { name: 'x', organizationId: b.id }, { name: 'x', organizationId: UNKNOWN }],
      ['/api/admin/api-tokens', { ...BODY, projects: [workspace] }, { ...BODY, projects: [workspace.replace(/[a-z0-9]/g, 'q')] }],
    ];
    for (const [path, theirs, nobodys] of attempts) {
      const mask = (text: string): string => text.replaceAll(workspace, 'ID').replaceAll(workspace.replace(/[a-z0-9]/g, 'q'), 'ID').replaceAll(role, 'ID').replaceAll(b.id, 'ID').replaceAll(UNKNOWN, 'ID').replace(/req-\w{14}/g, 'REQ').replace(/"id":"[0-9a-f-]{36}"/g, '"id":"E"');
      const [one, other] = [await call('POST', path, { as, body: theirs }), await call('POST', path, { as, body: nobodys })];
      expect(Math.floor(one.status / 100)).toBe(4);
      expect(`${path} ${one.status} ${mask(one.text)}`).toBe(`${path} ${other.status} ${mask(other.text)}`);
    }
    expect(await fingerprint()).toBe(before);
  });

  it('is not reached by claiming an organization, owner or creator in a body', async () => {
    const claims = { organization_id: b.id, organizationId: b.id, orgId: b.id, userId: b.admin.id, user_id: b.admin.id, createdBy: b.admin.id, owner_id: b.admin.id, id: foreign['tokens']?.[0] };
    for (const door of DOORS_UNDER_TEST) {
      const { status, body } = await call('POST', await door.creationPath(a), { as: a.admin.session, body: { ...claims, ...door.body() } });
      expect([door.name, status]).toEqual([door.name, door.created]);
      expect(await introspect(a.admin.session, door.secretOf(body))).toMatchObject({ active: true, organization_id: a.id });
    }
  });
});
