import { randomBytes } from 'node:crypto';
import { Passwords } from '../../../src/users/passwords.js';
import { theApp } from '../../support/app.js';
import { aMember, aProject, aTenant, type Person, type TestTenant } from '../../support/builders.js';
import { call, type CallOptions } from '../../support/call.js';
import { admit, aSubOrganization } from '../../support/machines.js';
import type { DatabaseState } from './database-state.js';
import { aPublicKey } from './recipes.js';

/** What can stand where an id, a name or a secret is asked for. */
export type Kind =
  | 'cursor'
  | 'address' | 'bare-identity' | 'email' | 'environment' | 'identity' | 'identity-token' | 'client-id' | 'client-secret' | 'client-secret-id' | 'invitation' | 'invitation-secret'
  | 'member' | 'method-token' | 'organization' | 'organization-token' | 'project' | 'project-token' | 'project-token-name' | 'refresh-token' | 'reset-token' | 'role' | 'role-key'
  | 'session' | 'slug' | 'sub-organization-slug' | 'text' | 'token' | 'token-number' | 'token-secret' | 'user' | 'user-token' | 'password' | 'permission' | 'permission-cursor' | 'policy-tag' | 'role-tag' | 'token-tag' | 'sub-organization' | 'webhook' | 'delivery' | 'client-key' | 'idempotency-key';

/** One of two organizations that look alike, with every string of it marked. */
export interface Twin {
  readonly tenant: TestTenant;
  readonly sub: TestTenant;
  readonly people: readonly Person[];
  /** What marks its strings; nothing else in the installation contains it. */
  readonly canary: string;
  /** Of each kind what it has, the one that works best first; deleted ones too. */
  readonly things: Readonly<Record<Kind, readonly string[]>>;
  /** Where its lists go on, by operation; filled by `world.ts`. */
  readonly cursors: Map<string, string>;
}

const ok = async (method: string, url: string, options: CallOptions): Promise<any> => {
  const { status, body, text } = await call(method, url, options);
  if (status >= 300) throw new Error(`preparing: ${method} ${url} answered ${status}: ${text}`);
  return body;
};

/** An organization with two or more of everything, deleted and ended ones among them. */
export async function aTwin(state: DatabaseState, extraNumbers: number): Promise<Twin> {
  const canary = `canary${randomBytes(6).toString('hex')}`;
  const tenant = await aTenant({ slug: `${canary}-org` });
  const as = tenant.admin.session;
  const post = (url: string, body: object): Promise<any> => ok('POST', url, { as, body });

  const people = [tenant.admin, await aMember(tenant), await aMember(tenant, 'EXTERNAL'), await aMember(tenant), await aMember(tenant)];
  const members: { id: string; user_id: string }[] = (await ok('GET', '/v1/members?limit=100', { as })).data;
  const memberOf = (person: Person | undefined): string => members.find(({ user_id: id }) => id === person?.id)?.id ?? '';
  await ok('PATCH', `/v1/members/${memberOf(people[3])}`, { as, body: { status: 'disabled' } });
  await ok('DELETE', `/v1/members/${memberOf(people[4])}`, { as });

  const [shop, second, gone] = [await aProject(tenant, `${canary}-shop`), await aProject(tenant, `${canary}-second`), await aProject(tenant, `${canary}-gone`)];
  for (const key of [`${canary}-qa`, `${canary}-old`]) await post(`/v1/projects/${shop}/environments`, { key, name: key });
  const roles: { id: string; key: string }[] = [];
  for (const word of ['support', 'audit', 'gone']) roles.push(await post('/v1/roles', { key: `${canary}-${word}`, name: `${canary} ${word}`, permissions: ['project:read', 'profile:read'] }));

  const identities: string[] = [];
  const identityTokens: string[] = [];
  const secrets: string[] = [];
  const clientKeys: string[] = [];
  const clients: { clientId: string; secretId: string; secret: string }[] = [];
  for (const word of ['robot', 'helper', 'gone']) {
    const { id } = await post('/v1/machine-identities', { name: `${canary}-${word}`, role: 'ADMIN' });
    identities.push(id);
    await post(`/api/v1/auth/token-auth/identities/${id}`, {});
    for (const name of ['first', 'second']) {
      const { accessToken, tokenData } = await post(`/api/v1/auth/token-auth/identities/${id}/tokens`, { name: `${canary} ${name}` });
      identityTokens.push(tokenData.id);
      secrets.push(accessToken);
    }
    const { identityUniversalAuth } = await post(`/api/v1/auth/universal-auth/identities/${id}`, {});
    const { clientSecret, clientSecretData } = await post(`/api/v1/auth/universal-auth/identities/${id}/client-secrets`, { description: `${canary} client` });
    clientKeys.push((await post(`/v1/machine-identities/${id}/client-keys`, { name: `${canary} ${word}`, jwk: aPublicKey() })).id);
    clients.push({ clientId: identityUniversalAuth.clientId, secretId: clientSecretData.id, secret: clientSecret });
  }

  const bareIdentities: string[] = [];
  for (const word of ['bare', 'naked']) bareIdentities.push((await post('/v1/machine-identities', { name: `${canary}-${word}`, role: 'MEMBER' })).id);

  const invitations: { id: string; token: string }[] = [];
  for (const word of ['guest', 'late', 'gone']) invitations.push(await post('/v1/invitations', { email: `${word}@${canary}.test`, role: 'MEMBER' }));

  const resets: string[] = [];
  for (const person of people.slice(1, 3)) resets.push((await post(`/v1/members/${memberOf(person)}/password-reset`, {})).token);

  await ok('PATCH', '/v1/policy', { as, body: { active_tokens_max: 10_000 + extraNumbers } });

  const userTokens: string[] = [];
  const methodTokens: string[] = [];
  const organizationTokens: string[] = [];
  const projectTokens: string[] = [];
  for (const word of ['one', 'two', 'ended']) {
    const user = await post('/user/api-tokens', { description: `${canary} ${word}` });
    const method = await post('/auth/v1/method/token', { name: `${canary} ${word}`, namespaceKey: shop });
    const organization = await post('/api/v1/token', { name: `${canary} ${word}`, personal: word === 'two', workspaces: [shop] });
    const project = await post(`/api/admin/projects/${shop}/api-tokens`, { tokenName: `${canary}-${word}`, type: 'backend', environment: `${canary}-qa` });
    userTokens.push(user.id);
    methodTokens.push(method.authentication.id);
    organizationTokens.push(organization.api_token_id);
    projectTokens.push(project.secret);
    secrets.push(user.token, method.clientToken, organization.api_token, project.secret);
  }
  const drawnElsewhere = ['one', 'two'].map((word) => `${canary}-${word}-drawn-elsewhere`);
  await post('/v1/tokens/import', { tokens: drawnElsewhere.map((secret) => ({ secret, kind: 'user', owner_id: tenant.admin.id })) });
  // Whoever presents one first has it hashed anew: that is not what is looked for.
  for (const secret of drawnElsewhere) await ok('GET', '/v1/tokens/self', { as: secret });
  // Among the first, so that even a few callers come upon them.
  secrets.splice(1, 0, ...drawnElsewhere);
  // Of all projects, too: with no project in its row.
  projectTokens.push((await post('/api/admin/api-tokens', { tokenName: `${canary}-all`, type: 'backend', environment: 'development', projects: ['*'] })).secret);
  for (let number = 0; number <= extraNumbers; number += 1) await post('/api/admin/user/tokens', { description: `${canary} ${number}`, expiresAt: '2031-01-01T00:00:00Z' });

  const webhooks: string[] = [];
  const deliveries: string[] = [];
  for (const word of ['first', 'second', 'gone']) {
    const { id } = await post('/v1/webhooks', { url: `https://hooks.example.com/${canary}-${word}`, description: `${canary} ${word}`, events: ['token.revoked'] });
    webhooks.push(id);
    deliveries.push((await post(`/v1/webhooks/${id}/ping`, {})).id);
  }

  // A key that has been used: to anybody else it must be one that nobody has.
  await ok('POST', '/v1/machine-identities', { as, headers: { 'idempotency-key': `${canary}-key` }, body: { name: `${canary}-once`, role: 'MEMBER' } });

  const sub = await aSubOrganization(tenant, `${canary}-sub`);
  await ok('POST', '/v1/projects', { as: sub.admin.session, body: { key: `${canary}-below`, name: `${canary} below` } });
  await admit(sub, identities[0] ?? '');

  for (const path of [
    `/v1/projects/${gone}`, `/v1/projects/${shop}/environments/${canary}-old`, `/v1/roles/${roles[2]?.id}`, `/v1/machine-identities/${identities[2]}`,
    `/v1/invitations/${invitations[2]?.id}`, `/user/api-tokens/${userTokens[2]}`, `/auth/v1/tokens/${methodTokens[2]}`, `/api/v1/token/${organizationTokens[2]}`,
    `/api/admin/projects/${shop}/api-tokens/${projectTokens[2]}`, `/v1/webhooks/${webhooks[2]}`,
  ]) await ok('DELETE', path, { as });

  const [a, b] = [`'${tenant.id}'`, `'${sub.id}'`];
  await state.query(`UPDATE users SET name = '${canary} ' || name WHERE id IN (SELECT user_id FROM memberships WHERE organization_id IN (${a}, ${b})); SELECT 1`);
  await state.query(`UPDATE webhook_deliveries SET status = 'failed', next_attempt_at = NULL WHERE organization_id = ${a}; SELECT 1`);
  await state.query(`UPDATE organizations SET name = '${canary} ' || name WHERE id IN (${a}, ${b}); SELECT 1`);
  const inventory = await state.query(`SELECT id, short_id FROM api_tokens WHERE organization_id = ${a} ORDER BY revoked_at NULLS FIRST, kind, created_at`);
  const sessions = await state.query(`SELECT id FROM sessions WHERE organization_id = ${a} ORDER BY ended_at NULLS FIRST, user_id = '${tenant.admin.id}', created_at, id`);
  const environments = await state.query(`SELECT DISTINCT id, key FROM environments WHERE organization_id = ${a} ORDER BY key`);
  const projects = await state.query(`SELECT id FROM projects WHERE organization_id = ${a} ORDER BY deleted_at NULLS FIRST, key`);
  const spare = await ok('POST', '/auth/login', { body: { email: tenant.admin.email, password: tenant.admin.password, organization: tenant.slug } });
  const loggedIn = await call('POST', '/api/v1/auth/universal-auth/login', { body: { clientId: clients[0]?.clientId, clientSecret: clients[0]?.secret } });
  if (loggedIn.status === 200) secrets.push(loggedIn.body.accessToken);

  // Else somebody who knows how the one logs in would know it of the other.
  const password = randomBytes(12).toString('hex');
  const hash = await (await theApp()).app.get(Passwords).hash(password);
  await state.query(`UPDATE users SET password_hash = '${hash}' WHERE id = '${tenant.admin.id}'; SELECT 1`);

  const tagOf = async (url: string): Promise<string> => String((await call('GET', url, { as })).headers['etag']);
  const ids = (rows: readonly Record<string, any>[]): string[] => rows.map(({ id }) => id as string);
  return {
    tenant,
    sub,
    people,
    canary,
    cursors: new Map(),
    things: {
      // Of a list that the twin has none of.
      cursor: [Buffer.from(`1.${tenant.id}`).toString('base64url')],
      address: ['192.0.2.1'],
      'bare-identity': bareIdentities,
      email: people.map(({ email }) => email),
      environment: [`${canary}-qa`, `${canary}-old`, ...environments.map(({ id }) => id as string)],
      identity: identities,
      'identity-token': identityTokens,
      'client-id': clients.map(({ clientId }) => clientId),
      'client-secret': clients.map(({ secret }) => secret),
      'client-secret-id': clients.map(({ secretId }) => secretId),
      invitation: ids(invitations),
      'invitation-secret': invitations.map(({ token }) => token),
      member: people.slice(1).map(memberOf),
      'method-token': methodTokens,
      organization: [tenant.id, sub.id],
      'organization-token': organizationTokens,
      password: [password],
      permission: ['project:read'],
      'sub-organization': [sub.id],
      'permission-cursor': [(await ok('GET', '/v1/permissions?limit=1', { as })).next_cursor],
      project: [shop, second, gone, `${canary}-below`, ...ids(projects)],
      'project-token': projectTokens,
      'project-token-name': [`${canary}-one`, `${canary}-two`],
      'refresh-token': [spare.refresh_token],
      role: [...ids(roles), ...ids(await state.query(`SELECT id FROM roles WHERE organization_id = ${a} AND built_in`))],
      'role-key': roles.map(({ key }) => key),
      'policy-tag': [await tagOf('/v1/policy')],
      'reset-token': resets,
      'role-tag': [await tagOf(`/v1/roles/${roles[0]?.id}`)],
      session: ids(sessions),
      slug: [tenant.slug, sub.slug],
      'sub-organization-slug': [sub.slug],
      text: ['-shop', '-support', '-robot', '-qa', '-org', '-second', '-audit', '-helper', '-one', '-sub', '-two', '-below', '-gone', '-all', '-old'].map((end) => canary + end),
      token: inventory.flatMap(({ id, short_id: shortId }) => (shortId ? [id, shortId] : [id]) as string[]),
      'token-tag': [await tagOf(`/v1/tokens/${inventory[0]?.['id']}`)],
      'token-number': [String(1 + extraNumbers)],
      'token-secret': secrets,
      user: people.map(({ id }) => id),
      'user-token': userTokens,
      webhook: webhooks,
      delivery: deliveries,
      'client-key': clientKeys,
      'idempotency-key': [`${canary}-key`],
    },
  };
}

/** What the twin has of this kind, for this operation: a cursor is of one list. */
export function thingsOf(twin: Twin, kind: Kind, operation: string): readonly string[] {
  const cursor = kind === 'cursor' ? twin.cursors.get(operation) : undefined;
  return cursor === undefined ? twin.things[kind] : [cursor];
}

/** Every id and every marked text of the twin that must never reach the other one. */
export async function tracesOf(twin: Twin, state: DatabaseState): Promise<readonly string[]> {
  const organizations = `'${twin.tenant.id}', '${twin.sub.id}'`;
  const tables = await state.query(
    `SELECT table_name AS "table", column_name AS "column" FROM information_schema.columns c
      WHERE table_schema = 'public' AND data_type = 'uuid' AND EXISTS (
        SELECT FROM information_schema.columns o WHERE o.table_schema = 'public' AND o.table_name = c.table_name AND o.column_name = 'organization_id')`,
  );
  const rows = await state.query(tables.map(({ table, column }) => `SELECT ${column}::text AS id FROM ${table} WHERE organization_id IN (${organizations}) AND ${column} IS NOT NULL`).join(' UNION '));
  return [...new Set([twin.canary, ...rows.map(({ id }) => id as string), ...twin.people.map(({ id }) => id), ...twin.things['token-secret'], ...twin.things['client-secret'], ...twin.things['invitation-secret'], ...twin.things['reset-token'], ...twin.things['refresh-token']])];
}
