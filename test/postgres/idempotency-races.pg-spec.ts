import { beforeAll, describe, expect, it } from 'vitest';
import { aName, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { DOORS_UNDER_TEST } from '../support/doors.js';

let tenant: TestTenant;
let as: string;
beforeAll(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
});

const post = (url: string, key: string, body: unknown): Promise<Answer> => call('POST', url, { as, body, headers: { 'idempotency-key': key } });
/** On a slow machine some may have waited longer than they are let; they are told to come back. */
const answered = (answers: readonly Answer[]): Answer[] => {
  for (const { status, headers } of answers) if (status === 503) expect(headers['retry-after']).toBe('1');
  return answers.filter(({ status }) => status !== 503);
};
const tokens = async (): Promise<number> => Number((await sql(tenant, 'SELECT count(*) FROM api_tokens'))[0]?.['count']);

describe.each(DOORS_UNDER_TEST)('at the $name door', (door) => {
  it('requests of one key that arrive at once mint one token and all answer it', async () => {
    const [path, key, body] = [await door.creationPath(tenant), aName('key'), door.body()];
    const before = await tokens();
    // More than there are connections, so that those who wait never keep the first from its end.
    const answers = answered(await Promise.all(Array.from({ length: 15 }, () => post(path, key, body))));
    expect([...new Set(answers.map(({ status, text }) => `${status} ${text}`))]).toHaveLength(1);
    expect(answers.filter(({ headers }) => headers['idempotent-replayed'] === undefined)).toHaveLength(1);
    expect(answers[0]?.status).toBe(door.created);
    expect(await tokens()).toBe(before + 1);
  });
});

it('rotations of one key that arrive at once draw one secret', async () => {
  const { body } = await call('POST', '/user/api-tokens', { as, body: {} });
  const { jti } = await introspect(as, body.token);
  const key = aName('key');
  const answers = answered(await Promise.all(Array.from({ length: 12 }, () => post(`/v1/tokens/${jti}/rotate`, key, {}))));
  expect([...new Set(answers.map(({ text }) => text))]).toHaveLength(1);
  expect(await introspect(as, answers[0]?.body.secret)).toMatchObject({ active: true, jti });
});
