import { beforeAll, describe, expect, it } from 'vitest';
import { aName, aTenant, type TestTenant } from '../support/builders.js';
import { call, type Answer } from '../support/call.js';

let tenant: TestTenant;
beforeAll(async () => {
  tenant = await aTenant();
});

/** Chooses the password as somebody new does, and returns how to log in with any. */
async function aPersonWith(password: string): Promise<(presented: string) => Promise<number>> {
  const email = `${aName('exact')}@chosen.test`;
  const { body } = await call('POST', '/v1/invitations', { as: tenant.admin.session, body: { email, role: 'MEMBER' } });
  const accepted: Answer = await call('POST', '/v1/invitations/accept', { body: { token: body.token, name: 'Eve Exact', password } });
  if (accepted.status !== 201) throw new Error(`accepting answered ${accepted.status}: ${accepted.text}`);
  return async (presented) => (await call('POST', '/auth/login', { body: { email, password: presented } })).status;
}

describe('a password', () => {
  it.each([
    ['15 bytes', 'kettledrumwande'],
    ['64 bytes of lower case', 'kettle drum wander '.repeat(4).slice(0, 64)],
    ['128 bytes', 'kettle drum wander '.repeat(8).slice(0, 128)],
    ['1,024 bytes', 'kettle drum wander '.repeat(54).slice(0, 1024)],
    ['emoji', '🐢🚲🌧️🥐🎷'],
    ['spaces at its ends', '  kettle drum wander  '],
    ['NUL and control characters', 'kettle\u0000drum\u001b\r\nwander'],
  ])('may have %s, and lets its person in', async (_, password) => {
    expect(await (await aPersonWith(password))(password)).toBe(200);
  });

  it('counts to its last byte: no other letter, case, space or length will do', async () => {
    const password = `${'kettle drum wander '.repeat(4).slice(0, 72)}Tortoise`;
    expect(Buffer.byteLength(password)).toBe(80);
    const login = await aPersonWith(password);
    const others = [`${password.slice(0, 72)}tortoise`, `${password.slice(0, 79)}f`, `${password} `, ` ${password}`, password.slice(0, 72), password.toUpperCase(), password.trim().slice(0, 79), `${password}\u0000`];
    expect(await Promise.all(others.map(login))).toEqual(others.map(() => 401));
    expect(await login(password)).toBe(200);
  });

  it('counts behind NUL too', async () => {
    const login = await aPersonWith('kettle drum\u0000wander');
    expect([await login('kettle drum\u0000wandeR'), await login('kettle drum'), await login('kettle drum\u0000wander')]).toEqual([401, 401, 200]);
  });

  it('counts to its 1,024th byte, and cannot be longer', async () => {
    const password = 'kettle drum wander '.repeat(54).slice(0, 1024);
    const login = await aPersonWith(password);
    expect([await login(`${password.slice(0, 1023)}X`), await login(`${password}x`), await login(password)]).toEqual([401, 400, 200]);
  });

  it('is the same however its accents are written (NFC), even where the longer form is beyond 1,024 bytes', async () => {
    const composed = 'éàüöñ kettle drum '.repeat(41).normalize('NFC');
    expect([Buffer.byteLength(composed), Buffer.byteLength(composed.normalize('NFD'))].map((bytes) => bytes <= 1024)).toEqual([true, false]);
    for (const [chosen, presented] of [['NFC', 'NFD'], ['NFD', 'NFC']] as const) {
      const login = await aPersonWith(composed.normalize(chosen));
      expect(await login(composed.normalize(presented))).toBe(200);
    }
    // Compatibility forms are other characters.
    expect(await (await aPersonWith('kettle ﬁddle wander'))('kettle fiddle wander')).toBe(401);
  });
});
