import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
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

async function login(app: NestFastifyApplication): Promise<string> {
  const { access_token: token } = (await app.inject({ method: 'POST', url: '/auth/login', payload: ADMIN })).json<{ access_token: string }>();
  return token;
}

const isLive = async (app: NestFastifyApplication, secret: string): Promise<boolean> =>
  (await app.inject({ method: 'GET', url: '/auth/me', headers: { authorization: `Bearer ${secret}` } })).statusCode === 200;

it('tokens and sessions live through a change of SECRET_KEY, and need the old key only until they were used', async () => {
  const { used, unused, session } = await using([OLD], async (app) => {
    await app.get(FirstStart).run(ADMIN);
    const own = await login(app);
    const mint = async (): Promise<string> =>
      (await app.inject({ method: 'POST', url: '/user/api-tokens', headers: { authorization: `Bearer ${own}` }, payload: {} })).json<{ token: string }>().token;
    return { used: await mint(), unused: await mint(), session: own };
  });
  await using([NEW, OLD], async (app) => {
    expect(await isLive(app, session)).toBe(true);
    expect(await isLive(app, used)).toBe(true);
  });
  await using([NEW], async (app) => {
    expect(await isLive(app, session)).toBe(true);
    expect(await isLive(app, used)).toBe(true);
    expect(await isLive(app, unused)).toBe(false);
  });
});

it('so do imported tokens, be they used under the new key for the first time', async () => {
  const secrets = ['used-with-the-old-key', 'used-with-the-new-key', 'never-used-meanwhile'];
  const [early = '', late = '', never = ''] = secrets;
  await using([NEW, OLD], async (app) => {
    expect(await isLive(app, early)).toBe(false);
  });
  await using([OLD, NEW], async (app) => {
    const tokens = secrets.map((secret) => ({ hash: createHash('sha256').update(secret).digest('hex'), algorithm: 'sha256', kind: 'auth-method' }));
    const { statusCode } = await app.inject({ method: 'POST', url: '/v1/tokens/import', headers: { authorization: `Bearer ${await login(app)}` }, payload: { tokens } });
    expect([statusCode, await isLive(app, early)]).toEqual([200, true]);
  });
  await using([NEW, OLD], async (app) => {
    expect([await isLive(app, early), await isLive(app, late)]).toEqual([true, true]);
  });
  await using([NEW], async (app) => {
    expect([await isLive(app, early), await isLive(app, late), await isLive(app, never)]).toEqual([true, true, false]);
  });
});

it('refuses to start without the key that its signing keys are sealed with', async () => {
  await expect(anApplication(database, [OLD])).rejects.toThrow('SECRET_KEY lacks the key');
});
