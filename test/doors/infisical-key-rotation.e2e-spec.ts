import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { OpenDatabase } from '../../src/kernel/database/open-database.js';
import { FirstStart } from '../../src/organizations/first-start.js';
import { anApplication, anEmptyDatabase } from '../support/instance.js';

const OLD = 'old-key-0123456789-abcdefghijklmnopqrstuvwxyz';
const NEW = 'new-key-0123456789-abcdefghijklmnopqrstuvwxyz';
const ADMIN = { email: 'admin@localhost', password: 'correct horse battery staple' };
const UNIVERSAL_AUTH = '/api/v1/auth/universal-auth';

let database: OpenDatabase;
beforeAll(async () => {
  database = await anEmptyDatabase();
});
afterAll(() => database.close());

async function using<T>(keys: readonly string[], work: (post: (url: string, payload: object, as?: string) => Promise<any>) => Promise<T>): Promise<T> {
  const app: NestFastifyApplication = await anApplication(database, keys);
  await app.get(FirstStart).run(ADMIN);
  try {
    return await work(async (url, payload, as) => {
      const { statusCode, body } = await app.inject({ method: 'POST', url, payload, headers: as === undefined ? {} : { authorization: `Bearer ${as}` } });
      return { statusCode, ...JSON.parse(body) };
    });
  } finally {
    await app.close();
  }
}

it('client secrets live through a change of SECRET_KEY, and need the old key only until they were used', async () => {
  const [used, unused] = await using([OLD], async (post) => {
    const { access_token: as, organization } = await post('/auth/login', ADMIN);
    const { identity } = await post('/api/v1/identities', { name: 'machine', organizationId: organization.id }, as);
    const { identityUniversalAuth } = await post(`${UNIVERSAL_AUTH}/identities/${identity.id}`, {}, as);
    const secretAt = `${UNIVERSAL_AUTH}/identities/${identity.id}/client-secrets`;
    const secrets = [await post(secretAt, {}, as), await post(secretAt, {}, as)];
    return secrets.map(({ clientSecret }) => ({ clientId: identityUniversalAuth.clientId, clientSecret }));
  });
  const login = (keys: readonly string[], client: object | undefined) => using(keys, async (post) => (await post(`${UNIVERSAL_AUTH}/login`, client ?? {})).statusCode);
  expect(await login([NEW, OLD], used)).toBe(200);
  expect(await login([NEW], used)).toBe(200);
  expect(await login([NEW], unused)).toBe(401);
});
