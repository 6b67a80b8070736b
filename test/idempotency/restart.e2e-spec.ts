import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { OpenDatabase } from '../../src/kernel/database/open-database.js';
import { FirstStart } from '../../src/organizations/first-start.js';
import { anApplication, anEmptyDatabase } from '../support/instance.js';

const OLD = 'old-key-0123456789-abcdefghijklmnopqrstuvwxyz';
const NEW = 'new-key-0123456789-abcdefghijklmnopqrstuvwxyz';
const ADMIN = { email: 'admin@localhost', password: 'correct horse battery staple' };

let database: OpenDatabase;
beforeAll(async () => {
  database = await anEmptyDatabase();
});
afterAll(() => database.close());

async function using<T>(keys: readonly string[], work: (app: NestFastifyApplication) => Promise<T>): Promise<T> {
  const app = await anApplication(database, keys);
  try {
    return await work(app);
  } finally {
    await app.close();
  }
}

it('a key is answered again by another process, through a change of SECRET_KEY, and never creates twice where the old one was taken away', async () => {
  const mint = (app: NestFastifyApplication, session: string) =>
    app.inject({ method: 'POST', url: '/user/api-tokens', headers: { authorization: `Bearer ${session}`, 'idempotency-key': 'one' }, payload: { description: 'once' } });
  const { session, first } = await using([OLD], async (app) => {
    await app.get(FirstStart).run(ADMIN);
    const { access_token: token } = (await app.inject({ method: 'POST', url: '/auth/login', payload: ADMIN })).json<{ access_token: string }>();
    return { session: token, first: await mint(app, token) };
  });
  expect(first.statusCode).toBe(201);
  await using([NEW, OLD], async (app) => {
    const again = await mint(app, session);
    expect([again.statusCode, again.body]).toEqual([201, first.body]);
  });
  await using([NEW], async (app) => {
    const { statusCode, headers } = await mint(app, session);
    expect([statusCode, headers['retry-after']]).toEqual([503, '1']);
    const list = await app.inject({ method: 'GET', url: '/user/api-tokens', headers: { authorization: `Bearer ${session}` } });
    expect(list.json<{ data: unknown[] }>().data).toHaveLength(1);
  });
});
