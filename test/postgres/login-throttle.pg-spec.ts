import { afterAll, beforeAll, expect, it } from 'vitest';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { openServer } from '../../src/kernel/database/open-database.js';
import { FirstStart } from '../../src/organizations/first-start.js';
import { Passwords } from '../../src/users/passwords.js';
import { aScratchDatabase, TEST_SERVER_URL, type ScratchDatabase } from '../support/database.js';
import { anApplication } from '../support/instance.js';

const ADMIN = { email: 'admin@localhost', password: 'correct horse battery staple' };

let scratch: ScratchDatabase;
let replicas: NestFastifyApplication[];
beforeAll(async () => {
  scratch = await aScratchDatabase(TEST_SERVER_URL ?? '');
  replicas = [];
  for (let replica = 0; replica < 2; replica += 1) replicas.push(await anApplication(await openServer(scratch.url), ['a-key-0123456789-abcdefghijklmnopqrstuvwxyz']));
  for (const replica of replicas) Object.assign(replica.get(Passwords), new Passwords(4));
  await replicas[0]?.get(FirstStart).run(ADMIN);
});
afterAll(async () => {
  for (const replica of replicas) await replica.close();
  await scratch.drop();
});

const login = async (place: number, remoteAddress: string, password: string): Promise<number> =>
  (await (replicas[place % replicas.length]).inject({ method: 'POST', url: '/auth/login', remoteAddress, payload: { ...ADMIN, password } })).statusCode;

it('replicas count guesses together, also those that come at the same time', async () => {
  const answers = await Promise.all(Array.from({ length: 30 }, (_, place) => login(place, '198.18.0.1', 'not the passphrase of anybody')));
  expect(answers.sort()).toEqual([...Array.from({ length: 10 }, () => 401), ...Array.from({ length: 20 }, () => 429)]);
  for (const place of [0, 1]) expect([await login(place, '198.18.0.1', ADMIN.password), await login(place, '198.18.0.2', ADMIN.password)]).toEqual([429, 200]);
});

it('people who come in while others guess at the same time neither wait for ever nor are turned away', async () => {
  const answers = await Promise.all(Array.from({ length: 60 }, (_, place) => (place % 3 === 0 ? login(place, '198.18.0.2', ADMIN.password) : login(place, `198.18.1.${place % 7}`, 'wrong'))));
  expect(answers.filter((_, place) => place % 3 === 0)).toEqual(Array.from({ length: 20 }, () => 200));
  expect(answers.filter((status) => status === 503)).toEqual([]);
});
