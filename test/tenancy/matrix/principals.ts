import { Instant } from '../../../src/kernel/instant.js';
import { ProjectsService } from '../../../src/projects/projects.service.js';
import { PROFILE_READ, TENANT_PERMISSIONS } from '../../../src/tokens/permissions.js';
import { TokenEngine } from '../../../src/tokens/token-engine.js';
import { TOKEN_KINDS, type MintRequest, type TokenKind } from '../../../src/tokens/token.js';
import { theApp } from '../../support/app.js';
import { aMember, aRole, type Person, type TestTenant } from '../../support/builders.js';
import { call } from '../../support/call.js';
import { principalOf } from '../../support/machines.js';
import type { DatabaseState } from './database-state.js';
import type { Twin } from './twins.js';

/** Someone who calls: with which credential is a matter of what the operation asks for. */
export interface Caller {
  readonly name: string;
  /** As it is sent; null: none. */
  authorizationFor(permission: string): string | null;
  /** What must be refused to them: all but what is public, or but what everybody may who is anybody. */
  readonly barred?: 'from all' | 'from all but the profile';
}

const bearer = (credential: string): string => `Bearer ${credential}`;
const sending = (name: string, authorization: string | null, barred?: Caller['barred']): Caller => ({ name, authorizationFor: () => authorization, ...(barred && { barred }) });
export const fixed = (name: string, credential: string, barred?: Caller['barred']): Caller => sending(name, bearer(credential), barred);

/** True where the guard must turn this caller away. */
export function isBarred({ barred }: Caller, permission: string): boolean {
  if (permission === 'public' || barred === undefined) return false;
  return barred === 'from all' || permission !== PROFILE_READ;
}

/** How each kind of token is owned and looks. */
const SHAPES: Readonly<Record<TokenKind, (twin: Twin) => Pick<MintRequest, 'kind' | 'owner' | 'secretPrefix'>>> = {
  user: ({ tenant }) => ({ kind: 'user', owner: { userId: tenant.admin.id }, secretPrefix: 'api_' }),
  project: ({ canary }) => ({ kind: 'project', owner: { organization: true }, secretPrefix: `*:${canary}.` }),
  'machine-identity': ({ things }) => ({ kind: 'machine-identity', owner: { identityId: things.identity[0] ?? '' }, secretPrefix: 'idt_' }),
  organization: () => ({ kind: 'organization', owner: { organization: true }, secretPrefix: 'api_' }),
  'auth-method': () => ({ kind: 'auth-method', owner: { organization: true }, secretPrefix: 'svc_' }),
};

/** Every kind of caller of this organization; the permissions are those that operations ask for. */
export async function callersOf(twin: Twin, permissions: readonly string[], state: DatabaseState): Promise<readonly Caller[]> {
  const { tenant } = twin;
  const grantable = permissions.filter((permission) => (TENANT_PERMISSIONS as readonly string[]).includes(permission));
  const people = new Map<string, Person>();
  for (const permission of grantable) people.set(permission, await aMember(tenant, await aRole(tenant, [permission])));
  const nobody = await aMember(tenant, await aRole(tenant, []));
  const callers: Caller[] = [
    fixed('session of an ADMIN', tenant.admin.session),
    fixed('session of a MEMBER', (await aMember(tenant)).session),
    fixed('session of an EXTERNAL', (await aMember(tenant, 'EXTERNAL')).session),
    { name: 'session with a custom role of exactly this', authorizationFor: (permission) => bearer((people.get(permission) ?? nobody).session) },
  ];
  for (const kind of TOKEN_KINDS) {
    const shape = SHAPES[kind](twin);
    const exact = new Map<string, string>();
    for (const permission of grantable) exact.set(permission, await mint(tenant, { ...shape, permissions: [permission] }));
    const none = await mint(tenant, { ...shape, permissions: [] });
    callers.push({ name: `${kind} token of exactly this`, authorizationFor: (permission) => bearer(exact.get(permission) ?? none) });
    callers.push(fixed(`${kind} token of nothing`, none, 'from all but the profile'));
    callers.push(fixed(`${kind} token of everything`, await mint(tenant, { ...shape, permissions: TENANT_PERMISSIONS })));
  }
  const own = await projectsOf(tenant, twin.things.project[0]);
  for (const kind of ['user', 'organization'] as const) {
    callers.push(fixed(`${kind} token limited to a project`, await mint(tenant, { ...SHAPES[kind](twin), permissions: TENANT_PERMISSIONS, projects: own })));
  }
  const everything = { ...SHAPES.user(twin), permissions: TENANT_PERMISSIONS };
  callers.push(sending('machine identity with its client secret', basic(twin.things['client-id'][0], twin.things['client-secret'][0])));
  callers.push(sending('nobody', null, 'from all'), fixed('revoked token', await mint(tenant, everything, 'revoked_at = now()', state), 'from all'));
  callers.push(fixed('expired token', await mint(tenant, everything, `expires_at = '${Instant.parse('2020-01-01T00:00:00Z')?.toPostgres()}'`, state), 'from all'));
  const left = await aMember(tenant);
  await call('POST', '/auth/logout', { as: left.session });
  return [...callers, fixed('ended session', left.session, 'from all')];
}

const basic = (id = '', secret = ''): string => `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`;

async function mint(tenant: TestTenant, request: MintRequest, afterwards?: string, state?: DatabaseState): Promise<string> {
  const { app } = await theApp();
  const { token, secret } = await app.get(TokenEngine).mint(await principalOf(tenant.admin.session), { projects: 'all', ...request, name: `${tenant.slug} ${request.kind}` });
  if (afterwards) await state?.query(`UPDATE api_tokens SET ${afterwards} WHERE id = '${token.id}'; SELECT 1`);
  return secret;
}

async function projectsOf(tenant: TestTenant, key = ''): Promise<NonNullable<MintRequest['projects']>> {
  const { app } = await theApp();
  return app.get(ProjectsService).getByKeys(await principalOf(tenant.admin.session), [key]);
}
