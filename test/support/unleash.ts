import { ProjectsService } from '../../src/projects/projects.service.js';
import { TENANT_PERMISSIONS } from '../../src/tokens/permissions.js';
import { TokenEngine } from '../../src/tokens/token-engine.js';
import type { Caller } from '../../src/tokens/token.js';
import { theApp } from './app.js';
import type { TestTenant } from './builders.js';
import { call, type Answer } from './call.js';

export const ADMIN_TOKENS = '/api/admin/api-tokens';
export const PERSONAL_TOKENS = '/api/admin/user/tokens';
export const projectTokens = (project = 'default'): string => `/api/admin/projects/${project}/api-tokens`;

/** A path segment as clients spell a secret or a selector in it. */
export const inPath = (path: string, identifier: string): string => `${path}/${encodeURIComponent(identifier)}`;

export const BACKEND = { tokenName: 'sdk', type: 'backend', environment: 'development' };

/** A token at the level of projects, or of one project; returns the answer's body. */
export async function mintToken(tenant: TestTenant, body: object = {}, path = projectTokens()): Promise<Record<string, any>> {
  const answer = await call('POST', path, { as: tenant.admin.session, body: { ...BACKEND, ...body } });
  if (answer.status !== 201) throw new Error(`minting answered ${answer.status}: ${answer.text}`);
  return answer.body;
}

export async function mintPersonal(as: string, description: string, expiresAt = '2031-01-01T00:00:00Z'): Promise<Record<string, any>> {
  const answer = await call('POST', PERSONAL_TOKENS, { as, body: { description, expiresAt } });
  if (answer.status !== 201) throw new Error(`minting answered ${answer.status}: ${answer.text}`);
  return answer.body;
}

/** The list entries of this name. */
export async function listed(tenant: TestTenant, name: string): Promise<Record<string, any>[]> {
  return (await call('GET', `${ADMIN_TOKENS}/${encodeURIComponent(name)}`, { as: tenant.admin.session })).body.tokens;
}

/** Whether SDKs are let in with this secret: 200, 401 or 403. */
export async function featuresStatus(secret: string): Promise<number> {
  return (await call('GET', '/api/client/features', { headers: { authorization: secret } })).status;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const ISO_MILLISECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** An answer's body with what differs from run to run in brackets, and only if it looks as it must. */
export function normalised(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((each) => normalised(each));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, normalised(each, name)]));
  }
  if (key === 'userId' && Number.isInteger(value)) return '<number>';
  if (typeof value !== 'string') return value;
  if (key === 'id' && UUID.test(value)) return '<id>';
  if (key === 'createdAt' && ISO_MILLISECONDS.test(value)) return '<time>';
  if (key === 'queryHash' && /^[0-9a-f]{8}$/.test(value)) return '<hash>';
  if (key === 'etag' && /^"[0-9a-f]{8}:0:v1"$/.test(value)) return '<hash>';
  if (key === 'secret' && /^[\w-]{22}$/.test(value)) return '<selector>';
  return key === 'secret' ? value.replace(/([.:])[0-9A-Za-z]{49}$/, '$1<secret>') : value;
}

/** What is normalised of an error or a list, with the order of members kept. */
export function wire({ status, text }: Answer): string {
  return `${status} ${text === '' ? '' : JSON.stringify(normalised(JSON.parse(text)))}`;
}

/** A token of the administrator that no door of Unleash has minted, limited to projects or not. */
export async function aTokenOf(tenant: TestTenant, { projects, kind = 'user', usesLimit }: { projects?: readonly string[]; kind?: 'user' | 'organization'; usesLimit?: number }): Promise<string> {
  const { app } = await theApp();
  const permissions = TENANT_PERMISSIONS;
  const caller: Caller = {
    organizationId: tenant.id,
    actor: { kind: 'user', id: tenant.admin.id, credential: null, origin: null },
    permissions: new Set(permissions),
    narrowed: false,
    projects: 'all',
    tokenId: null,
  };
  const { secret } = await app.get(TokenEngine).mint(caller, {
    kind,
    owner: kind === 'user' ? { userId: tenant.admin.id } : { organization: true },
    secretPrefix: 'api_',
    permissions,
    projects: projects && (await app.get(ProjectsService).getByKeys(caller, projects)),
    usesLimit,
  });
  return secret;
}
