import { aMember, aName, aRole, type Person, type TestTenant } from './builders.js';
import { call, type Answer } from './call.js';

/** A session with which `GET /v1/members` is answered, what is done to it, and how it is answered from then on. */
export interface SessionNarrowing {
  readonly session: string;
  readonly narrow: () => Promise<Answer>;
  readonly afterwards: 401 | 403;
}

const idOf = (session: string): string => (JSON.parse(Buffer.from(session.split('.')[1] ?? '', 'base64url').toString()) as { sid: string }).sid;
const login = async ({ email, password }: Person, organization: string): Promise<Person> => {
  const { body } = await call('POST', '/auth/login', { body: { email, password, organization } });
  return { id: body.user.id, email, password, session: body.access_token, refreshToken: body.refresh_token };
};
const membershipOf = async ({ admin }: TestTenant, person: Person): Promise<string> => {
  const { body } = await call('GET', '/v1/members?limit=100', { as: admin.session });
  return `/v1/members/${body.data.find((member: { user_id: string }) => member.user_id === person.id).id}`;
};
const change = (path: string, { admin }: TestTenant, body: object): Promise<Answer> => call('PATCH', path, { as: admin.session, body });

/** All that ends a session or takes something from it, asked for at the application under test. */
export const SESSION_NARROWINGS: Record<string, (tenant: TestTenant, platform: TestTenant) => Promise<SessionNarrowing>> = {
  async logout(tenant) {
    const { session } = await aMember(tenant);
    return { session, narrow: () => call('POST', '/auth/logout', { as: session }), afterwards: 401 };
  },
  async 'its end by an administrator'(tenant) {
    const { session } = await aMember(tenant);
    return { session, narrow: () => call('DELETE', `/v1/sessions/${idOf(session)}`, { as: tenant.admin.session }), afterwards: 401 };
  },
  async 'the end of all sessions'(tenant) {
    const { session } = await aMember(tenant);
    return { session, narrow: () => call('DELETE', '/v1/sessions?user=all', { as: tenant.admin.session }), afterwards: 401 };
  },
  async 'a new password'(tenant) {
    const person = await aMember(tenant);
    const { session: other } = await login(person, tenant.slug);
    const narrow = (): Promise<Answer> => call('POST', '/auth/password', { as: other, body: { current_password: person.password, new_password: 'kettle drum wander tortoise' } });
    return { session: person.session, narrow, afterwards: 401 };
  },
  async 'a refresh token that comes twice'(tenant) {
    const { session, refreshToken } = await aMember(tenant);
    const refresh = (): Promise<Answer> => call('POST', '/auth/refresh', { body: { refresh_token: refreshToken } });
    const narrow = async (): Promise<Answer> => {
      const { body } = await refresh();
      await refresh();
      return call('GET', '/auth/me', { as: body.access_token });
    };
    return { session, narrow, afterwards: 401 };
  },
  async 'a switch to another organization'(tenant) {
    const { body } = await call('POST', '/v1/organization/children', { as: tenant.admin.session, body: { slug: aName('sub'), name: 'Sub' } });
    const { session } = await login(tenant.admin, tenant.slug);
    return { session, narrow: () => call('POST', '/auth/switch', { as: session, body: { organization: body.slug } }), afterwards: 401 };
  },
  async 'disabling its person'(tenant) {
    const person = await aMember(tenant);
    const path = await membershipOf(tenant, person);
    return { session: person.session, narrow: () => change(path, tenant, { status: 'disabled' }), afterwards: 401 };
  },
  async 'removing its person'(tenant) {
    const person = await aMember(tenant);
    const path = await membershipOf(tenant, person);
    return { session: person.session, narrow: () => call('DELETE', path, { as: tenant.admin.session }), afterwards: 401 };
  },
  async 'another role'(tenant) {
    const person = await aMember(tenant);
    const path = await membershipOf(tenant, person);
    return { session: person.session, narrow: () => change(path, tenant, { role: 'EXTERNAL' }), afterwards: 403 };
  },
  async 'fewer permissions of its role'(tenant) {
    const key = await aRole(tenant, ['member:read', 'project:read']);
    const { session } = await aMember(tenant, key);
    const { body } = await call('GET', '/v1/roles?limit=100', { as: tenant.admin.session });
    const { id } = body.data.find((role: { key: string }) => role.key === key);
    return { session, narrow: () => change(`/v1/roles/${id}`, tenant, { permissions: ['project:read'] }), afterwards: 403 };
  },
  async 'suspension of its organization'(tenant, platform) {
    return { session: tenant.admin.session, narrow: () => call('POST', `/v1/organizations/${tenant.id}/suspend`, { as: platform.admin.session }), afterwards: 401 };
  },
  async 'suspension of the organization around its own'(tenant, platform) {
    const { body } = await call('POST', '/v1/organization/children', { as: tenant.admin.session, body: { slug: aName('sub'), name: 'Sub' } });
    const { session } = await login(tenant.admin, body.slug);
    return { session, narrow: () => call('POST', `/v1/organizations/${tenant.id}/suspend`, { as: platform.admin.session }), afterwards: 401 };
  },
};
