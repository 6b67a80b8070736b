import { expect, it } from 'vitest';
import { aName, aTenant, sql } from '../support/builders.js';
import { call } from '../support/call.js';
import { ownInstallation } from '../support/installation.js';

const installation = ownInstallation();

it('a request with a key is no way to guess passwords unseen: each attempt counts and is recorded though the request comes to nothing', async () => {
  const somebody = await aTenant();
  const recorded = async (): Promise<number> =>
    Number((await sql(somebody, `SELECT count(*) FROM audit_events WHERE action IN ('login.failed', 'login.throttled')`))[0]?.['count']);
  const guess = async (): Promise<number> => {
    const body = { slug: aName('own'), name: 'Own', admin: { email: somebody.admin.email, password: `not this ${aName('password')}` } };
    return (await call('POST', '/v1/organizations', { as: installation.platform.admin.session, body, headers: { 'idempotency-key': aName('key') }, from: '198.51.100.7' })).status;
  };
  const statuses: number[] = [];
  for (let attempt = 0; attempt < 11; attempt += 1) statuses.push(await guess());
  expect(statuses).toEqual([...Array<number>(10).fill(409), 429]);
  expect(await recorded()).toBe(11);
});
