import { readFile } from 'node:fs/promises';
import { Authenticator } from '../../src/access/authenticator.js';
import type { Principal } from '../../src/access/principal.js';
import { AdmissionsService } from '../../src/machine-identities/admissions.service.js';
import { SubOrganizations } from '../../src/organizations/sub-organizations.service.js';
import { theApp } from './app.js';
import { aName, type TestTenant } from './builders.js';
import { call, type Answer } from './call.js';

export const TOKEN_AUTH = '/api/v1/auth/token-auth';
export const UNIVERSAL_AUTH = '/api/v1/auth/universal-auth';
export const IDENTITIES = '/api/v1/identities';
export const ABSENT = '00000000-0000-4000-8000-000000000000';

/** Shapes that an id in a path may come in, none of which names anything. */
export const ODD_IDS = [ABSENT, 'x', '1', 'null', '%00', '%F0%9F%98%80', "'%20OR%201=1--", '..%2F..', ABSENT.slice(1), `${ABSENT}0`, 'a'.repeat(300)];

/** Throws where the answer is not 200: a step that only prepares must not fail unseen. */
export async function done<Body = any>(answer: Promise<Answer<Body>>): Promise<Body> {
  const { status, text, body } = await answer;
  if (status !== 200) throw new Error(`answered ${status}: ${text}`);
  return body;
}

/** A machine identity; returns its id. */
export async function aMachine(tenant: TestTenant, body: object = {}): Promise<string> {
  const { identity } = await done(call('POST', IDENTITIES, { as: tenant.admin.session, body: { name: aName('machine'), organizationId: tenant.id, role: 'member', ...body } }));
  return identity.id;
}

/** A machine identity with Token Auth; returns its id. */
export async function aTokenAuthMachine(tenant: TestTenant, settings: object = {}, body: object = {}): Promise<string> {
  const id = await aMachine(tenant, body);
  await done(call('POST', `${TOKEN_AUTH}/identities/${id}`, { as: tenant.admin.session, body: settings }));
  return id;
}

export interface MachineToken {
  readonly identityId: string;
  readonly id: string;
  readonly secret: string;
  /** The whole answer to its creation. */
  readonly answer: any;
}

/** A token of a new machine identity with these settings. */
export async function aMachineToken(tenant: TestTenant, settings: object = {}, body: object = {}): Promise<MachineToken> {
  const identityId = await aTokenAuthMachine(tenant, settings, body);
  return mintFor(tenant, identityId);
}

export async function mintFor(tenant: TestTenant, identityId: string, body: object = {}): Promise<MachineToken> {
  const answer = await done(call('POST', `${TOKEN_AUTH}/identities/${identityId}/tokens`, { as: tenant.admin.session, body }));
  return { identityId, id: answer.tokenData.id, secret: answer.accessToken, answer };
}

export interface Client {
  readonly identityId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly clientSecretId: string;
}

/** A machine identity with Universal Auth and a client secret. */
export async function aClient(tenant: TestTenant, settings: object = {}, secret: object = {}, body: object = {}): Promise<Client> {
  const as = tenant.admin.session;
  const identityId = await aMachine(tenant, body);
  const { identityUniversalAuth } = await done(call('POST', `${UNIVERSAL_AUTH}/identities/${identityId}`, { as, body: settings }));
  const created = await done(call('POST', `${UNIVERSAL_AUTH}/identities/${identityId}/client-secrets`, { as, body: secret }));
  return { identityId, clientId: identityUniversalAuth.clientId, clientSecret: created.clientSecret, clientSecretId: created.clientSecretData.id };
}

export function login({ clientId, clientSecret }: Pick<Client, 'clientId' | 'clientSecret'>, options: { from?: string; organizationSlug?: string; as?: string } = {}): Promise<Answer> {
  const { organizationSlug, ...rest } = options;
  return call('POST', `${UNIVERSAL_AUTH}/login`, { ...rest, body: { clientId, clientSecret, organizationSlug } });
}

/** Is this token alive? Asked at the cheapest route that lets machines in. */
export function probe(secret: string, from?: string): Promise<Answer> {
  return call('GET', `${IDENTITIES}/details`, { as: secret, from });
}

/** Who a session is to the services behind the doors. */
export async function principalOf(session: string): Promise<Principal> {
  const { app } = await theApp();
  return app.get(Authenticator).authenticate(session, { requestId: 'req-test', ip: '127.0.0.1', userAgent: null });
}

/** A sub-organization, administered by the administrator of the organization it belongs to. */
export async function aSubOrganization(tenant: TestTenant, slug = aName('sub')): Promise<TestTenant> {
  const { app } = await theApp();
  const { id } = await app.get(SubOrganizations).create(await principalOf(tenant.admin.session), { slug, name: slug });
  const { email, password } = tenant.admin;
  const { access_token: session, refresh_token: refreshToken } = await done(call('POST', '/auth/login', { body: { email, password, organization: slug } }));
  return { id, slug, admin: { ...tenant.admin, session, refreshToken } };
}

/** Admits a machine identity of the parent organization, with a role of the sub-organization. */
export async function admit(sub: TestTenant, identityId: string, roleKey: string | null = 'MEMBER'): Promise<void> {
  const { app } = await theApp();
  await app.get(AdmissionsService).admit(await principalOf(sub.admin.session), identityId, roleKey);
}

/** An example of the wire, with its placeholders filled in, as the text that is sent: order of keys and all. */
export async function wireExample(name: string, values: Readonly<Record<string, string>>): Promise<string> {
  const example = await readFile(new URL(`../doors/wire/infisical/${name}.json`, import.meta.url), 'utf8');
  return JSON.stringify(JSON.parse(example.replace(/<(\w+)>/g, (_, key: string) => values[key] ?? `missing ${key}`)));
}

/** Stops the clock; returns the time as the dialect spells it. */
export async function freeze(): Promise<string> {
  const { clock } = await theApp();
  clock.advance(0);
  return clock.now().toRfc3339(3);
}
