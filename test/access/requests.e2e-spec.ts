import { connect, Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { theApp } from '../support/app.js';
import { aMember, aTenant, type TestTenant } from '../support/builders.js';
import { call } from '../support/call.js';

let tenant: TestTenant;
let port: number;
beforeAll(async () => {
  tenant = await aTenant();
  const { app } = await theApp();
  if (!app.getHttpServer().listening) await app.listen(0, '127.0.0.1');
  port = (app.getHttpServer().address() as { port: number }).port;
});

/** Sends these bytes and gives back all that the server answers before it closes. */
function raw(request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);

describe('a request of two minds', () => {
  it.each([
    ['two Host headers', ['host: b']],
    ['two Authorization headers', ['authorization: Bearer x', 'authorization: Bearer y']],
    ['two lengths', ['content-length: 0', 'content-length: 5']],
    ['a length and chunks', ['content-length: 5', 'transfer-encoding: chunked']],
    ['a folded header', ['x: a\r\n b']],
    ['a space before the colon', ['x : a']],
  ])('with %s is refused with 400', async (_, headers) => {
    const answer = await raw(`POST /auth/login HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${headers.join('\r\n')}\r\n\r\n`);
    expect(statusOf(answer)).toBe(400);
  });
});

describe('a request', () => {
  it.each([
    ['with headers longer than 16 KB', `GET /health/live HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(17_000)}\r\n\r\n`, 431, 'longer than 16 KB'],
    ['with a path as long', `GET /v1/${'x'.repeat(17_000)} HTTP/1.1\r\nhost: a\r\n\r\n`, 431, 'longer than 16 KB'],
    ['that is no HTTP', 'hello\r\n\r\n', 400, 'no HTTP request'],
  ])('%s is refused in a problem document that says so', async (_, text, status, detail) => {
    const answer = await raw(text);
    expect(statusOf(answer)).toBe(status);
    expect(answer).toContain('content-type: application/problem+json');
    const body = JSON.parse(answer.split('\r\n\r\n')[1] ?? '');
    expect(body).toEqual({ type: 'urn:gatehouse:error:request-malformed', title: expect.any(String), status, code: 'request-malformed', detail: expect.stringContaining(detail), request_id: expect.stringMatching(/^req-/) });
  });

  it('with a part of its path longer than 1,024 characters is refused with 400 that says so and does not repeat it', async () => {
    const { status, body, text } = await call('GET', `/v1/roles/${'canary'.repeat(200)}`, { as: tenant.admin.session });
    expect([status, body.code, body.detail]).toEqual([400, 'request-malformed', expect.stringContaining('longer than 1024 characters')]);
    expect(text).not.toContain('canary');
  });
});

describe('answers on a connection', () => {
  const asks = (method: string, path: string, more = ''): string => `${method} ${path} HTTP/1.1\r\nhost: a\r\n${more}\r\n`;
  const introspects = (token: string): string =>
    `${asks('POST', '/oauth2/introspect', `authorization: Bearer ${tenant.admin.session}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: ${token.length + 6}\r\n`)}token=${token}`;
  const BYE = asks('GET', '/health/live', 'connection: close\r\n');

  it('are each written in one piece, head and body', async () => {
    const { body } = await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: {} });
    const written: string[] = [];
    for (const way of ['_write', '_writev'] as const) {
      const write = Reflect.get(Socket.prototype, way) as (...parts: unknown[]) => void;
      vi.spyOn(Socket.prototype, way).mockImplementation(function (this: Socket, ...parts: unknown[]) {
        if (this.localPort === port) written.push(way);
        write.apply(this, parts);
      });
    }
    try {
      const statuses: number[] = [];
      const creates = `${asks('POST', '/user/api-tokens', `authorization: Bearer ${tenant.admin.session}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n`)}{}`;
      for (const request of [introspects(body.token), asks('GET', '/auth/me'), asks('GET', '/health/ready'), creates]) {
        statuses.push(statusOf(await raw(request.replace('\r\n', '\r\nconnection: close\r\n'))));
      }
      expect(statuses).toEqual([200, 401, 200, 201]);
      expect(written).toEqual(['_write', '_write', '_write', '_write']);
    } finally {
      vi.restoreAllMocks();
    }
  });

  it.each([
    ['text', () => introspects('garbage')],
    ['bytes', () => asks('GET', '/auth/v1/self')],
  ])('are not piled up (%s) for who asks, and asks again, and reads nothing', async (_, request) => {
    const connection = new Duplex({ read: () => undefined, write: () => undefined });
    (await theApp()).app.getHttpServer().emit('connection', connection);
    for (let asked = 0; asked < 2_000; asked += 1) {
      connection.push(request());
      for (let turn = 0; turn < 4; turn += 1) await nextTurn();
    }
    expect(connection.writableLength).toBeGreaterThan(connection.writableHighWaterMark);
    expect(connection.writableLength).toBeLessThan(2 * connection.writableHighWaterMark);
    connection.destroy();
  });

  it('are whole and in the order asked, be they longer than what the connection takes at once', async () => {
    const document = (await call('GET', '/openapi.json')).text;
    const { body } = await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: {} });
    const round = introspects(body.token) + asks('GET', '/openapi.json') + asks('HEAD', '/openapi.json') + introspects('garbage');
    const answers = (await raw(round.repeat(10) + BYE)).split(/(?=HTTP\/1\.1 )/);
    const texts = answers.map((answer) => answer.slice(answer.indexOf('\r\n\r\n') + 4));
    expect(answers).toHaveLength(41);
    for (let at = 0; at < 40; at += 4) {
      expect(texts[at]).toContain('"active":true');
      expect(texts[at + 1] === document).toBe(true);
      expect([texts[at + 2], texts[at + 3]]).toEqual(['', '{"active":false}']);
    }
  });
});

describe('a body', () => {
  const post = (body: string, headers: Record<string, string> = {}) => call('POST', '/auth/login', { body, headers });

  it('of more than 64 KB is refused before it is read', async () => {
    const { status, body } = await post(`{"email":"${'x'.repeat(65_536)}"}`);
    expect([status, body.code, body.detail]).toEqual([413, 'body-too-large', 'The request body is larger than 64 KB.']);
    expect((await call('POST', '/v1/tokens/report-leak', { body: { tokens: [{ token: 'x'.repeat(2_000_000) }] } })).body.detail).toMatch(/larger than \d{3,} KB/);
  });

  it.each([17, 2_000, 30_000])('nested %i levels deep is refused before it is validated', async (depth) => {
    const { status, body } = await post(`{"email":${'['.repeat(depth)}${']'.repeat(depth)}}`);
    expect([status, body.code, body.detail]).toEqual([400, 'body-malformed', 'The request cannot be read: the body is nested deeper than 16 levels.']);
  });

  it('nested 16 levels deep is read', async () => {
    expect((await post(`{"email":${'['.repeat(15)}${']'.repeat(15)}}`)).body.code).toBe('input-invalid');
  });

  it.each(['{', '{"email":}', 'null', '[]', '"x"', '5', ''])('that is %j is refused with 400', async (body) => {
    expect((await post(body)).status).toBe(400);
  });

  it('that is not UTF-8 is refused with 400', async () => {
    const { app } = await theApp();
    const response = await app.inject({ method: 'POST', url: '/auth/login', headers: { 'content-type': 'application/json' }, payload: Buffer.from([0x7b, 0xff, 0x7d]) });
    expect([response.statusCode, response.json().code]).toEqual([400, 'body-malformed']);
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/xml', 'application/json garbage', 'multipart/form-data'])('of type %s is refused with 415', async (type) => {
    const { status } = await post('{"email":"a@b.c","password":"x"}', { 'content-type': type });
    expect([400, 415]).toContain(status);
  });

  it('cannot reach a prototype', async () => {
    await post('{"__proto__":{"email":"a@b.c","password":"x"},"constructor":{"prototype":{"polluted":true}}}');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('an answer', () => {
  it('carries the headers of a browser\'s defence, and its request id', async () => {
    const { headers } = await call('GET', '/auth/me', { as: tenant.admin.session });
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'x-frame-options': 'DENY', 'cache-control': 'no-store' });
    expect(headers['x-request-id']).toMatch(/^req-[0-9A-Za-z]{14}$/);
  });

  it('to an unknown path tells neither the path nor the framework', async () => {
    const { status, text } = await call('GET', '/no/such/canary-path');
    expect(status).toBe(404);
    expect(text).not.toMatch(/canary-path|Nest|Fastify|Cannot GET/);
  });

  it('to HEAD is that to GET without the body', async () => {
    const head = await call('HEAD', '/health/ready');
    expect([head.status, head.text]).toEqual([200, '']);
    expect((await call('HEAD', '/v1/tokens')).status).toBe(401);
  });
});

describe('the database being away', () => {
  it('is 503 with Retry-After within a second, never a "no"', async () => {
    const { app } = await theApp();
    const { Database } = await import('../../src/kernel/database/database.js');
    const database = app.get(Database);
    const [query, statement] = [database.query.bind(database), database.statement.bind(database)];
    const secret = (await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: {} })).body.token;
    const { session } = await aMember(tenant);
    const away = (): Promise<never> => Promise.reject(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }));
    Object.assign(database, { query: away, statement: away });
    try {
      for (const [method, url, as] of [['GET', '/auth/me', secret], ['GET', '/auth/me', session], ['GET', '/health/ready', undefined]] as const) {
        const { status, headers } = await call(method, url, { as });
        expect([url, status, headers['retry-after']]).toEqual([url, 503, '1']);
      }
    } finally {
      Object.assign(database, { query, statement });
    }
  });
});
