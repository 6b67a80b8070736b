import { once } from 'node:events';
import { createServer, request, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../src/kernel/database/database.js';
import { theApp } from '../support/app.js';
import { aMember, aTenant, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { aFreePort } from '../support/free-port.js';
import { startCaddy, startNginx, type Behind, type Proxy } from '../support/proxies.js';
import { watchFacts } from '../support/watched-facts.js';

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  body: string;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

let operator: TestTenant;
let tenant: TestTenant;
let secret: string;
/** Without the permission that /reports needs. */
let weak: string;
let service: Server;
let behind: Behind;
/** What reached the service, and what Gatehouse was asked. */
const served: Seen[] = [];
const asked: Seen[] = [];
beforeAll(async () => {
  operator = await aTenant({ slug: 'operator', platform: true });
  tenant = await aTenant();
  secret = await aToken();
  weak = (await aMember(tenant, 'EXTERNAL')).session;
  service = createServer((incoming, answer) => {
    noting(served, incoming);
    // Only once it has read all of the request: a proxy that holds its answer sends it no more.
    incoming.once('end', () => {
      answer.statusCode = incoming.url === '/broken' ? 500 : 200;
      answer.end('served');
    });
  }).listen(0, '127.0.0.1');
  await once(service, 'listening');
  const { app } = await theApp();
  if (!app.getHttpServer().listening) await app.listen(0, '127.0.0.1');
  app.getHttpServer().prependListener('request', (incoming: IncomingMessage) => noting(asked, incoming));
  behind = { gatehouse: portOf(app.getHttpServer()), service: portOf(service) };
});
afterAll(() => void service.close());
beforeEach(() => {
  served.length = 0;
  asked.length = 0;
});

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

function noting(seen: Seen[], incoming: IncomingMessage): void {
  const note: Seen = { method: incoming.method, url: incoming.url, headers: incoming.headers, body: '' };
  seen.push(note);
  incoming.on('data', (chunk: Buffer) => (note.body += chunk.toString()));
}

async function aToken(): Promise<string> {
  return (await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: {} })).body.token;
}

describe.each([['nginx', startNginx], ['Caddy', startCaddy]] as const)('behind %s as docs/forward-auth.md configures it', (name, start) => {
  let proxy: Proxy;
  beforeAll(async () => {
    proxy = await start(behind);
  });
  afterAll(() => proxy.stop());

  /** The path as it stands here: no client in between that would tidy it up. */
  function get(path: string, as?: string, { method = 'GET', headers = {}, body }: { method?: string; headers?: Record<string, string | string[]>; body?: string } = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { port } = new URL(proxy.url);
      const outgoing = request({ host: '127.0.0.1', port, path, method, agent: false, headers: { ...(as !== undefined && { authorization: `Bearer ${as}` }), ...headers } }, (answer) => {
        answer.resume().once('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers }));
      });
      outgoing.once('error', reject);
      outgoing.end(body);
    });
  }

  it('a live token passes, and the service learns whose it is and not the token', async () => {
    expect((await get('/invoices?page=2', secret)).status).toBe(200);
    const told = await introspect(tenant.admin.session, secret);
    expect(served).toHaveLength(1);
    expect(served[0]).toMatchObject({
      url: '/invoices?page=2',
      headers: {
        'x-gatehouse-organization-id': tenant.id,
        'x-gatehouse-owner-kind': 'user',
        'x-gatehouse-owner-id': tenant.admin.id,
        'x-gatehouse-username': tenant.admin.email,
        'x-gatehouse-token-id': told['jti'],
        'x-gatehouse-scope': told['scope'],
        'x-gatehouse-projects': '*',
      },
    });
    expect(JSON.stringify(served)).not.toContain(secret);
  });

  it('no identity that a client claims reaches the service, be it asked about or open', async () => {
    const names = ['Organization-Id', 'Owner-Kind', 'Owner-Id', 'Username', 'Token-Id', 'Scope', 'Projects', 'Environment'];
    const claims = Object.fromEntries(names.flatMap((each) => [[`X-Gatehouse-${each}`, 'forged'], [`x-GATEHOUSE-${each}`, 'forged']]));
    // A service may take one character for the other, as CGI does.
    const likenesses = Object.fromEntries(['X_Gatehouse_Environment', 'x-gatehouse_environment', 'X_gatehouse-Environment'].map((each) => [each, 'forged']));
    for (const [path, as] of [['/invoices', secret], ['/invoices', weak], ['/healthz', undefined], ['/healthz', secret]] as const) {
      expect([path, (await get(path, as, { headers: { ...claims, ...likenesses } })).status]).toEqual([path, 200]);
    }
    expect(served).toHaveLength(4);
    expect(JSON.stringify(served)).not.toContain('forged');
  });

  it.each(['X-Gatehouse-Owner-Id', 'keep-alive, x-gatehouse-scope', 'close,X-GATEHOUSE-ORGANIZATION-ID'])('a client cannot have the identity taken away by Connection: %s', async (connection) => {
    const { status } = await get('/invoices', secret, { headers: { connection } });
    for (const { headers } of served) expect(Object.keys(headers)).toEqual(expect.arrayContaining(['x-gatehouse-organization-id', 'x-gatehouse-owner-id', 'x-gatehouse-scope']));
    expect([200, 400]).toContain(status);
  });

  it('whoever may do as much as anybody passes as well', async () => {
    const keys = Array.from({ length: 250 }, (_, count) => `of-a-service-of-many:permission-${count}`);
    for (const key of keys) expect((await call('POST', '/v1/permissions', { as: operator.admin.session, body: { key, description: 'one of many' } })).status).toBe(201);
    try {
      expect((await get('/invoices', tenant.admin.session)).status).toBe(200);
      expect(String(served[0]?.headers['x-gatehouse-scope']).length).toBeGreaterThan(8_000);
    } finally {
      for (const key of keys) await call('DELETE', `/v1/permissions/${key}`, { as: operator.admin.session });
    }
  });

  it('no credential, a dead one and garbage are asked for one', async () => {
    const dead = await aToken();
    expect((await get('/invoices', dead)).status).toBe(200);
    await call('POST', '/oauth2/revoke', { as: tenant.admin.session, form: { token: dead } });
    for (const [as, challenge] of [[undefined, 'Bearer realm="gatehouse"'], [dead, 'Bearer realm="gatehouse", error="invalid_token"'], ['garbage', 'Bearer realm="gatehouse", error="invalid_token"']] as const) {
      const { status, headers } = await get('/invoices', as);
      expect([status, headers['www-authenticate']]).toEqual([401, challenge]);
    }
    expect(served).toHaveLength(1);
  });

  it('a path that needs a permission is closed to whoever lacks it, however it is spelt', async () => {
    for (const path of ['/reports', '/reports/', '/reports/2026', '/REPORTS/2026', '/Reports?x', '/re%70orts/x']) {
      expect([path, (await get(path, weak)).status, (await get(path, secret)).status]).toEqual([path, 403, 200]);
    }
    expect(served).toHaveLength(6);
  });

  it('a client cannot say what a path needs', async () => {
    expect((await get('/reports/x?permission=profile:read', weak)).status).toBe(403);
    expect((await get('/invoices?permission=nobody:registered', weak)).status).toBe(200);
    expect(asked.map(({ url }) => url)).toEqual(['/v1/forward-auth?permission=audit:read', expect.stringMatching(/^\/v1\/forward-auth\??$/)]);
  });

  it.each([
    '//reports/x', '/x/../reports/x', '/x/..%2freports', '/x%2f..%2freports', '/x/%2e%2e/reports', '/./reports', '/x/..;/reports', '/reports;x/', '/%2freports', '/x/..%5creports', '/healthz/../reports', '/healthz/..;/reports', '/healthz%2f..%2freports',
  ])('%s gets nobody round the gate', async (path) => {
    expect((await get(path, weak)).status).toBe(400);
    expect((await get(path)).status).toBe(400);
    expect(served).toEqual([]);
  });

  it('what is open is open at its exact path alone', async () => {
    expect((await get('/healthz')).status).toBe(200);
    for (const path of ['/healthz/', '/healthz/x', '/healthzx']) expect([path, (await get(path)).status]).toEqual([path, 401]);
    expect(served).toHaveLength(1);
  });

  it('the gate is asked without the body, the service gets it whole', async () => {
    const body = 'x'.repeat(100_000);
    expect((await get('/invoices', secret, { method: 'POST', body, headers: { 'content-type': 'text/plain' } })).status).toBe(200);
    expect(asked.map(({ method, body: sent, headers }) => [method, sent, headers['content-length'] ?? '0', headers['transfer-encoding']])).toEqual([['GET', '', '0', undefined]]);
    expect(served.map(({ method, body: received }) => [method, received.length])).toEqual([['POST', body.length]]);
  });

  it('each request is asked about anew: one credential\'s answer is never another\'s', async () => {
    const own = await aToken();
    for (const [as, expected] of [[own, 200], [undefined, 401], [weak, 200], ['x', 401], [own, 200]] as const) expect((await get('/same', as)).status).toBe(expected);
    expect(asked.length).toBeGreaterThanOrEqual(5);
    expect(served.map(({ headers }) => headers['x-gatehouse-owner-id'] === tenant.admin.id)).toEqual([true, false, true]);
    await call('POST', '/oauth2/revoke', { as: tenant.admin.session, form: { token: own } });
    expect((await get('/same', own)).status).toBe(401);
  });

  it('an outage of the gate is one to its client, who is told to come again, and nothing passes', async () => {
    const cold = await aToken();
    const facts = watchFacts((await theApp()).app.get(Database));
    const mend = facts.fail();
    const { status, headers } = await get('/invoices', cold);
    mend();
    facts.stop();
    expect([status, headers['retry-after'], served]).toEqual([503, '1', []]);
    expect((await get('/invoices', cold)).status).toBe(200);
  });

  it('a gate that is not there lets nobody pass', async () => {
    const closed = await start({ ...behind, gatehouse: await aFreePort() });
    try {
      const { port } = new URL(closed.url);
      const status = await fetch(`http://127.0.0.1:${port}/invoices`, { headers: { authorization: `Bearer ${secret}` } }).then((answer) => answer.status);
      expect([status, served]).toEqual([name === 'nginx' ? 503 : 502, []]);
    } finally {
      await closed.stop();
    }
  });

  it('what the service says of itself is its own', async () => {
    expect((await get('/broken', secret)).status).toBe(500);
  });

  it('two credentials pass nothing', async () => {
    const { status } = await get('/invoices', undefined, { headers: { authorization: [`Bearer ${secret}`, `Bearer ${weak}`] } });
    expect([Math.floor(status / 100), served]).toEqual([4, []]);
  });
});
