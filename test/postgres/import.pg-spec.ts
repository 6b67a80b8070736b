import { createHash, randomBytes } from 'node:crypto';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Database } from '../../src/kernel/database/database.js';
import { Invalidations } from '../../src/kernel/database/invalidations.js';
import { openServer } from '../../src/kernel/database/open-database.js';
import { FirstStart } from '../../src/organizations/first-start.js';
import { TokenVerifier } from '../../src/tokens/token-verifier.js';
import { aScratchDatabase, asOwner, TEST_SERVER_URL, type ScratchDatabase } from '../support/database.js';
import { anApplication } from '../support/instance.js';

const KEY = 'a-key-0123456789-abcdefghijklmnopqrstuvwxyz';
const ADMIN = { email: 'admin@localhost', password: 'correct horse battery staple' };

let scratch: ScratchDatabase;
let nodes: NestFastifyApplication[];
let session = '';
beforeAll(async () => {
  scratch = await aScratchDatabase(TEST_SERVER_URL ?? '');
  nodes = [];
  for (let count = 0; count < 2; count += 1) nodes.push(await anApplication(await openServer(scratch.url), [KEY]));
  await nodes[0]?.get(FirstStart).run(ADMIN);
  session = (await node(0).inject({ method: 'POST', url: '/auth/login', payload: ADMIN })).json<{ access_token: string }>().access_token;
});
afterAll(async () => {
  for (const app of nodes) await app.close();
  await scratch.drop();
});

const node = (index: number): NestFastifyApplication => nodes[index];
const aSecret = (): string => randomBytes(32).toString('base64url');
const importAt = async (index: number, secrets: readonly string[]): Promise<{ index: number; status: string; id: string; error: { reason: string } | null }[]> => {
  const tokens = secrets.map((secret) => ({ hash: createHash('sha256').update(secret).digest('hex'), algorithm: 'sha256', kind: 'auth-method' }));
  const answer = await node(index).inject({ method: 'POST', url: '/v1/tokens/import', headers: { authorization: `Bearer ${session}` }, payload: { tokens } });
  if (answer.statusCode !== 200) throw new Error(answer.body);
  return answer.json<{ results: { index: number; status: string; id: string; error: { reason: string } | null }[] }>().results;
};
const isActive = async (index: number, secret: string): Promise<boolean> => (await node(index).get(TokenVerifier).verify(secret, { ip: null, userAgent: null })).active;
/** As long as another node takes to hear of it, and no longer than the bound. */
const heardAt = async (index: number, secret: string): Promise<number> => {
  const began = performance.now();
  while (!(await isActive(index, secret))) {
    if (performance.now() - began > 2_000) throw new Error('it was not heard of within two seconds');
    await node(index).get(Invalidations).catchUp();
  }
  return performance.now() - began;
};

it('works at every node as soon as it hears of it, though its secret was presented there before in vain', async () => {
  for (let count = 0; count < 5; count += 1) {
    const secret = aSecret();
    expect([await isActive(0, secret), await isActive(1, secret)]).toEqual([false, false]);
    await importAt(0, [secret]);
    expect(await isActive(0, secret)).toBe(true);
    await heardAt(1, secret);
  }
});

it('is dead at every node when it is revoked, be it that another one has hashed it anew', async () => {
  const secret = aSecret();
  const [result] = await importAt(0, [secret]);
  await heardAt(1, secret);
  await node(0).inject({ method: 'DELETE', url: `/v1/tokens/${result?.id}`, headers: { authorization: `Bearer ${session}` } });
  await node(1).get(Invalidations).catchUp();
  expect([await isActive(0, secret), await isActive(1, secret)]).toEqual([false, false]);
});

it('is hashed to our form once, however many nodes see its first use at the same time', async () => {
  const secrets = Array.from({ length: 20 }, aSecret);
  await importAt(0, secrets);
  await node(1).get(Invalidations).catchUp();
  const live = await Promise.all(secrets.flatMap((secret) => [0, 1, 0, 1].map((index) => isActive(index, secret))));
  expect(live.every(Boolean)).toBe(true);
});

it('is imported once where several nodes import it at the same time, and each answers for all its rows', async () => {
  const shared = Array.from({ length: 30 }, aSecret);
  const batches = [0, 1, 0, 1].map((index) => ({ index, secrets: [...shared, ...Array.from({ length: 5 }, aSecret)] }));
  const answers = await Promise.all(batches.map(({ index, secrets }) => importAt(index, secrets)));
  for (const place of shared.keys()) {
    const outcomes = answers.map((results) => results[place]?.error?.reason ?? results[place]?.status).sort();
    expect(outcomes).toEqual(['already-imported', 'already-imported', 'already-imported', 'imported']);
  }
  expect(answers.flatMap((results) => results.slice(30).map(({ status }) => status))).toEqual(Array.from({ length: 20 }, () => 'imported'));
});

it('leaves no trace of the tokens that are gone, except in processes that knew them', async () => {
  const secret = aSecret();
  const [result] = await importAt(0, [secret]);
  const fingerprints = async (): Promise<number> => Number((await node(0).get(Database).query<{ count: string }>('SELECT count(*) FROM imported_fingerprints'))[0]?.count);
  const before = await fingerprints();
  await isActive(0, secret);
  expect(await fingerprints()).toBe(before);
  await asOwner(scratch.url, (client) => client.query('DELETE FROM api_tokens WHERE id = $1', [result?.id]));
  expect(await fingerprints()).toBe(before - 1);
});
