import { beforeAll, describe, expect, it } from 'vitest';
import { RefusalQueue } from '../../src/kernel/refusal-queue.js';
import { aTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';

let secret: string;
beforeAll(async () => {
  const tenant = await aTenant();
  secret = (await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: {} })).body.token;
  await introspect(secret, secret);
});

const GARBAGE = `api_${'0'.repeat(49)}`;
const ASKED = 200;

/** Asks all at once, and answers with the places in the order in which they were answered. */
async function answeredInOrder(requests: readonly (() => Promise<Answer>)[]): Promise<number[]> {
  const order: number[] = [];
  await Promise.all(requests.map(async (ask, place) => {
    await ask();
    order.push(place);
  }));
  return order;
}

const NOES: readonly (readonly [name: string, ask: () => Promise<Answer>, status: number])[] = [
  ['garbage as a credential', () => call('GET', '/v1/tokens', { as: GARBAGE }), 401],
  ['garbage as a credential at a bare route', () => call('GET', '/v1/forward-auth', { as: GARBAGE }), 401],
  ['no credential', () => call('GET', '/v1/tokens'), 401],
  ['garbage as a token', () => call('POST', '/oauth2/introspect', { as: secret, form: { token: GARBAGE } }), 200],
  ['garbage as tokens', () => call('POST', '/v1/introspect/batch', { as: secret, body: { tokens: [GARBAGE, 'x'] } }), 200],
  ['garbage as a project’s token', () => call('POST', '/edge/validate', { body: { tokens: [GARBAGE] } }), 200],
  ['a path that nothing is served at', () => call('GET', '/nowhere'), 404],
];

describe.each(NOES)('a no, as to %s,', (_, ask, status) => {
  it('waits, however many are asked for, while a yes is given', async () => {
    const noes = Array.from({ length: ASKED }, () => async (): Promise<Answer> => {
      const answer = await ask();
      expect(answer.status).toBe(status);
      return answer;
    });
    const order = await answeredInOrder([...noes, () => call('POST', '/oauth2/introspect', { as: secret, form: { token: secret } })]);
    expect(order).toHaveLength(ASKED + 1);
    expect(order.indexOf(ASKED)).toBeLessThan(ASKED / 4);
  });
});

it('a no is given in the order in which it was asked for', async () => {
  const order = await answeredInOrder(Array.from({ length: ASKED }, () => () => call('GET', '/v1/tokens', { as: GARBAGE })));
  expect(order).toEqual([...order].sort((left, right) => left - right));
});

it('so many wait and no more: whoever comes then is answered at once', async () => {
  const queue = new RefusalQueue();
  const turns = Array.from({ length: 5_001 }, () => queue.turn());
  expect([turns[0], turns.slice(1).every((turn) => turn instanceof Promise), queue.turn()]).toEqual([null, true, null]);
  for (const turn of turns) await turn;
});
