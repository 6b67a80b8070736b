import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { OpenDatabase } from '../../src/kernel/database/open-database.js';
import { FirstStart } from '../../src/organizations/first-start.js';
import { anApplication, anEmptyDatabase } from '../support/instance.js';

const KEY = 'a-key-0123456789-abcdefghijklmnopqrstuvwxyz';

let database: OpenDatabase;
let app: NestFastifyApplication;
beforeAll(async () => {
  database = await anEmptyDatabase();
  app = await anApplication(database, [KEY]);
});
afterAll(async () => {
  await app.close();
  await database.close();
});

describe('the first start', () => {
  it('founds the platform organization "default" with its administrator, project and environments, once', async () => {
    const firstStart = app.get(FirstStart);
    const drawn = await firstStart.run({ email: 'admin@localhost', password: null });
    expect(drawn).toMatch(/^[\w-]{24}$/);
    expect(await firstStart.run({ email: 'admin@localhost', password: null })).toBeNull();

    const login = await app.inject({ method: 'POST', url: '/auth/login', payload: { email: 'admin@localhost', password: drawn } });
    expect(login.json()).toMatchObject({ organization: { slug: 'default' }, user: { email: 'admin@localhost' } });
    const headers = { authorization: `Bearer ${login.json<{ access_token: string }>().access_token}` };
    for (const environment of ['default', 'development', 'production']) {
      const payload = { tokenName: environment, type: 'backend', environment };
      const minted = await app.inject({ method: 'POST', url: '/api/admin/projects/default/api-tokens', headers, payload });
      expect([environment, minted.statusCode]).toEqual([environment, 201]);
    }
    expect((await app.inject({ method: 'GET', url: '/auth/me', headers })).json().permissions).toContain('platform:token:introspect');
  });

  it('prints no password that was given', async () => {
    const own = await anEmptyDatabase();
    const instance = await anApplication(own, [KEY]);
    expect(await instance.get(FirstStart).run({ email: 'ops@example.test', password: 'given by the operator' })).toBeNull();
    const { statusCode } = await instance.inject({ method: 'POST', url: '/auth/login', payload: { email: 'ops@example.test', password: 'given by the operator' } });
    expect(statusCode).toBe(200);
    await instance.close();
    await own.close();
  });

  it('takes no password that nobody may choose, says why, and leaves nothing behind', async () => {
    const own = await anEmptyDatabase();
    const instance = await anApplication(own, [KEY]);
    const firstStart = instance.get(FirstStart);
    const start = (password: string) => firstStart.run({ email: 'operations@example.test', password });
    for (const [password, fault] of [['hunter2', 'must have 15 to 1024 bytes'], ['passwordpassword', 'is too common'], ['operations2026!', 'is too easy to guess']] as const) {
      await expect(start(password)).rejects.toThrow(`ADMIN_PASSWORD ${fault}`);
    }
    expect(await start('given by the operator')).toBeNull();
    // What was given then is not looked at again.
    expect(await start('hunter2')).toBeNull();
    await instance.close();
    await own.close();
  });
});
