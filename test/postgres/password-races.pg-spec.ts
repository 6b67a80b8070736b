import { beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/kernel/database/database.js';
import { OrganizationsService } from '../../src/organizations/organizations.service.js';
import { theApp } from '../support/app.js';
import { aMember, aTenant, PASSWORD, type TestTenant } from '../support/builders.js';
import { call, type Answer } from '../support/call.js';

const NEW = 'kettle drum wander tortoise';

let tenant: TestTenant;
beforeAll(async () => {
  tenant = await aTenant();
});

const login = (email: string, password: string): Promise<Answer> => call('POST', '/auth/login', { body: { email, password, organization: tenant.slug } });
const change = (as: string, current: string, chosen: string): Promise<Answer> => call('POST', '/auth/password', { as, body: { current_password: current, new_password: chosen } });
const enters = async (session: string): Promise<number> => (await call('GET', '/auth/me', { as: session })).status;

describe('POST /auth/password', () => {
  it('lets one of several simultaneous changes win, whose sessions alone go on, and no login with the password before slip through', async () => {
    for (let round = 0; round < 5; round += 1) {
      const person = await aMember(tenant);
      const chosen = Array.from({ length: 3 }, (_, count) => `${NEW} ${round} ${count}`);
      const [answers, logins] = await Promise.all([
        Promise.all(chosen.map((password) => change(person.session, PASSWORD, password))),
        Promise.all(Array.from({ length: 6 }, () => login(person.email, PASSWORD))),
      ]);
      expect(answers.map(({ status }) => status).sort()).toEqual([204, 400, 400]);
      const late = logins.filter(({ status }) => status === 200).map(({ body }) => body.access_token as string);
      expect(await Promise.all(late.map(enters))).toEqual(late.map(() => 401));
      expect((await Promise.all(chosen.map((password) => login(person.email, password)))).map(({ status }) => status)).toEqual(answers.map(({ status }) => (status === 204 ? 200 : 401)));
    }
  });

  it('ends a session that is switched to another organization meanwhile, before or after', async () => {
    const { app } = await theApp();
    const other = await aTenant();
    for (let round = 0; round < 8; round += 1) {
      const person = await aMember(tenant);
      await app.get(Database).inOrganization(other.id, (scope) => app.get(OrganizationsService).addMember(scope, person.id, 'MEMBER'));
      const { access_token: session } = (await login(person.email, PASSWORD)).body;
      const [changed, switched] = await Promise.all([
        change(person.session, PASSWORD, `${NEW} ${round}`),
        call('POST', '/auth/switch', { as: session, body: { organization: other.slug } }),
      ]);
      expect([changed.status, [200, 401].includes(switched.status), await enters(session), await enters(person.session)]).toEqual([204, true, 401, 200]);
      if (switched.status === 200) expect(await enters(switched.body.access_token)).toBe(401);
    }
  });
});
