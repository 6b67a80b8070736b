import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkSecret } from '../../src/inventory/check-secret.js';
import { GithubKeysUrl } from '../../src/inventory/github-keys.js';
import { theApp } from '../support/app.js';
import { aName, aTenant, type TestTenant } from '../support/builders.js';
import { call, introspect, type Answer } from '../support/call.js';
import { DOORS_UNDER_TEST, mint } from '../support/doors.js';

let tenant: TestTenant;
let address = 0;
let from: string;
beforeAll(async () => {
  tenant = await aTenant();
});
/** Limits count by address. */
beforeEach(() => {
  address += 1;
  from = `10.7.${address >> 8}.${address & 255}`;
});

const report = (tokens: unknown, headers: Record<string, string> = {}): Promise<Answer> => call('POST', '/v1/tokens/report-leak', { body: { tokens }, from, headers });
const found = (id: string): Promise<Answer> => call('GET', `/v1/tokens/${id}`, { as: tenant.admin.session });
const eventsOf = async (id: string, action: string): Promise<any[]> =>
  (await call('GET', `/v1/audit-events?action=${action}&target_id=${id}`, { as: tenant.admin.session })).body.data;

async function aToken(): Promise<{ id: string; secret: string }> {
  const { token: secret } = (await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: {} })).body;
  return { secret, id: (await introspect(tenant.admin.session, secret))['jti'] };
}

describe('POST /v1/tokens/report-leak', () => {
  it.each(DOORS_UNDER_TEST)('revokes a token of $name that somebody found, and says where it was', async (door) => {
    const { secret } = await mint(door, tenant);
    const id = (await introspect(tenant.admin.session, secret))['jti'];
    const { status, body } = await report([{ token: secret, url: 'https://github.com/acme/shop/blob/main/.env' }]);
    expect([status, body]).toEqual([202, { received: 1 }]);
    expect(await introspect(tenant.admin.session, secret)).toEqual({ active: false });
    expect((await found(id)).body).toMatchObject({ state: 'revoked', revocation_reason: 'key_compromise', revoked_by: null, exposed_at: expect.any(String) });
    expect(await eventsOf(id, 'token.exposed')).toMatchObject([{ actor_kind: 'anonymous', ip: from, details: { source: 'report', url: 'https://github.com/acme/shop/blob/main/.env', revoked: true } }]);
    expect(await eventsOf(id, 'token.revoked')).toHaveLength(1);
  });

  it('answers the same for what is no token, and changes nothing the second time', async () => {
    const { id, secret } = await aToken();
    const first = await report([{ token: secret }]);
    const again = await report([{ token: secret }]);
    const unknown = await report([{ token: 'nothing at all' }]);
    const bare = ({ status, text }: Answer) => [status, text];
    expect(bare(again)).toEqual(bare(first));
    expect(bare(unknown)).toEqual(bare(first));
    expect(await eventsOf(id, 'token.exposed')).toHaveLength(1);
  });

  it('takes a thousand at once, the same one many times, and no more', async () => {
    const { id, secret } = await aToken();
    const many = Array.from({ length: 999 }, (_, index) => ({ token: index % 2 ? secret : `${secret.slice(0, -3)}${index}`, url: `https://example.com/${'x'.repeat(300)}/${index}` }));
    expect((await report([...many, { token: secret }])).body).toEqual({ received: 1000 });
    expect((await found(id)).body.state).toBe('revoked');
    expect((await report([...many, { token: secret }, { token: secret }])).status).toBe(400);
  });

  it('keeps no secret, not even one that stands in the address', async () => {
    const { id, secret } = await aToken();
    await report([{ token: secret, url: `https://example.com/?key=${secret}` }]);
    const [event] = await eventsOf(id, 'token.exposed');
    expect(event.details.url).toBe('https://example.com/?key=…');
    const { log } = await theApp();
    expect(log.filter((line) => line.includes(secret))).toEqual([]);
  });

  it('leaves tokens alone that browsers are meant to show', async () => {
    const body = { tokenName: aName('frontend'), type: 'frontend', environment: 'development' };
    const { secret } = (await call('POST', '/api/admin/projects/default/api-tokens', { as: tenant.admin.session, body })).body;
    expect((await report([{ token: secret }])).status).toBe(202);
    expect(await introspect(tenant.admin.session, secret)).toMatchObject({ active: true });
  });

  it('refuses what is no report, and echoes none of it', async () => {
    const odd = [undefined, 'x', {}, [], [null], [{}], [{ token: 7 }], [{ token: '' }], [{ token: 'x'.repeat(513) }], [{ token: 'canary-secret', url: 'no url' }], [{ token: 'canary-secret', url: `https://e.example/${'x'.repeat(2048)}` }]];
    for (const tokens of odd) {
      const { status, text } = await report(tokens);
      expect([status, text.includes('canary')]).toEqual([400, false]);
    }
    expect((await report([{ token: 'x'.repeat(1024 * 1024) }])).status).toBe(413);
  });

  it('answers 429 to an address that asks too often, with when to come back, and to no other', async () => {
    const statuses: number[] = [];
    for (let index = 0; index < 60; index += 1) statuses.push((await report([{ token: 'x' }])).status);
    expect(new Set(statuses)).toEqual(new Set([202]));
    const { status, headers, body } = await report([{ token: 'x' }]);
    expect([status, body.code, headers['content-type']]).toEqual([429, 'rate-limited', 'application/problem+json; charset=utf-8']);
    expect([Number(headers['retry-after']) > 0, headers['ratelimit-limit'], headers['ratelimit-remaining']]).toEqual([true, '60', '0']);
    from = '10.8.0.1';
    expect((await report([{ token: 'x' }])).status).toBe(202);
  });

  it('counts an IPv6 network as one address', async () => {
    for (let index = 0; index < 60; index += 1) {
      from = `2001:db8:7:7::${index.toString(16)}`;
      await report([{ token: 'x' }]);
    }
    expect((await report([{ token: 'x' }])).status).toBe(429);
    from = '2001:db8:7:8::1';
    expect((await report([{ token: 'x' }])).status).toBe(202);
  });
});

describe('POST /v1/secret-scanning/github', () => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const IDENTIFIER = 'f9525bf080f75b3506ca1ead061add62b8633a346606dc5fe544e29231c6ee0d';
  let github: Server;
  let asked = 0;
  let before: string;
  beforeAll(async () => {
    github = createServer((_, response) => {
      asked += 1;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ public_keys: [{ key_identifier: IDENTIFIER, key: pair.publicKey.export({ type: 'spki', format: 'pem' }), is_current: true }] }));
    });
    await new Promise<void>((listening) => github.listen(0, '127.0.0.1', listening));
    const { app } = await theApp();
    const url = app.get(GithubKeysUrl);
    before = url.value;
    Object.assign(url, { value: `http://127.0.0.1:${(github.address() as AddressInfo).port}/` });
  });
  afterAll(async () => {
    Object.assign((await theApp()).app.get(GithubKeysUrl), { value: before });
    await new Promise((closed) => github.close(closed));
  });

  const signed = (body: string, key: KeyObject = pair.privateKey) => sign('sha256', Buffer.from(body), key).toString('base64');
  const alert = (body: string, headers: Record<string, string> = { 'github-public-key-identifier': IDENTIFIER, 'github-public-key-signature': signed(body) }) =>
    call('POST', '/v1/secret-scanning/github', { body, headers, from });

  it('revokes the tokens that GitHub found, and asks for its keys once', async () => {
    const { id, secret } = await aToken();
    const body = JSON.stringify([{ token: secret, type: 'gatehouse_api_token', url: 'https://github.com/acme/shop/blob/1/a.env', source: 'content' }, { token: 'nothing', type: 'x', url: '', source: 'content' }]);
    expect((await alert(body)).status).toBe(200);
    expect((await alert(body)).status).toBe(200);
    expect(asked).toBe(1);
    expect((await found(id)).body).toMatchObject({ state: 'revoked', revocation_reason: 'key_compromise' });
    expect(await eventsOf(id, 'token.exposed')).toMatchObject([{ details: { source: 'github' } }]);
  });

  it('believes nothing that GitHub did not sign', async () => {
    const { secret } = await aToken();
    const body = JSON.stringify([{ token: secret, type: 'x', url: '', source: 'content' }]);
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const id = { 'github-public-key-identifier': IDENTIFIER };
    const odd: Record<string, string>[] = [
      {},
      id,
      { ...id, 'github-public-key-signature': signed(body, other.privateKey) },
      { ...id, 'github-public-key-signature': signed(`${body} `) },
      { ...id, 'github-public-key-signature': 'x' },
      { 'github-public-key-identifier': 'unknown', 'github-public-key-signature': signed(body) },
      { 'github-public-key-identifier': '../..', 'github-public-key-signature': signed(body) },
    ];
    for (const headers of odd) expect((await alert(body, headers)).status).toBe(401);
    expect(await introspect(tenant.admin.session, secret)).toMatchObject({ active: true });
    for (const malformed of ['{', '{}', '"x"']) expect((await alert(malformed)).status).toBe(400);
  });
});

describe('docs/secret-scanning.md', () => {
  it('has an expression that finds the secrets of every door and no other words', async () => {
    const text = await readFile(new URL('../../docs/secret-scanning.md', import.meta.url), 'utf8');
    const expressions = [...text.matchAll(/\| `(\S*\[0-9A-Za-z\]\{49\}\\b)` \|/g)].map(([, source = '']) => new RegExp(source));
    expect(expressions).toHaveLength(6);
    for (const door of DOORS_UNDER_TEST) {
      const { secret } = await mint(door, tenant);
      for (const line of [secret, `TOKEN=${secret}`, `{"token":"${secret}"}`, `curl -H 'Authorization: Bearer ${secret}' https://x.example`]) {
        const hits = expressions.flatMap((expression) => expression.exec(line)?.[0] ?? []);
        expect([door.name, hits]).toEqual([door.name, [secret]]);
      }
      expect(checkSecret(secret)).toMatchObject({ isSecret: true });
      expect(checkSecret(`${secret.slice(0, -1)}${secret.endsWith('0') ? '1' : '0'}`)).toMatchObject({ isSecret: false });
    }
    expect(expressions.flatMap((expression) => expression.exec(text.replaceAll(/\\b/g, '')) ?? [])).toEqual([]);
  });
});
