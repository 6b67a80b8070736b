import { afterEach, expect, it, vi } from 'vitest';
import { Invalidations } from '../../src/kernel/database/invalidations.js';
import { Unavailable } from '../../src/kernel/failure.js';
import { theApp } from '../support/app.js';
import { aName, aTenant, sql } from '../support/builders.js';
import { call } from '../support/call.js';

afterEach(() => {
  vi.restoreAllMocks();
});

it('what is refused as an outage while it is at work comes to nothing, and its key is free', async () => {
  const tenant = await aTenant();
  const { token } = (await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: {} })).body as { token: string };
  // Known from here on: the guard waits for nothing.
  await call('GET', '/auth/me', { as: token });
  const tokens = async (): Promise<number> => Number((await sql(tenant, 'SELECT count(*) FROM api_tokens'))[0]?.['count']);
  const create = (key: string): ReturnType<typeof call> => call('POST', '/user/api-tokens', { as: token, body: {}, headers: { 'idempotency-key': key } });
  const key = aName('key');

  let atWork: Promise<unknown> = Promise.resolve();
  vi.spyOn((await theApp()).app.get(Invalidations), 'whileReachable').mockImplementationOnce((work) => {
    atWork = work;
    return Promise.reject(new Unavailable());
  });
  expect((await create(key)).status).toBe(503);
  await expect(atWork).rejects.toBeInstanceOf(Unavailable);
  expect(await tokens()).toBe(1);

  const again = await create(key);
  expect([again.status, again.headers['idempotent-replayed'], await tokens()]).toEqual([201, undefined, 2]);
});
