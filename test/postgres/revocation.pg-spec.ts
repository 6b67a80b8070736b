import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FirstStart } from '../../src/organizations/first-start.js';
import { TokenVerifier } from '../../src/tokens/token-verifier.js';
import { aScratchDatabase, asOwner, TEST_SERVER_URL, type ScratchDatabase } from '../support/database.js';
import { aProxiedNode, type ProxiedNode } from '../support/proxied-node.js';
import type { TcpProxy } from '../support/tcp-proxy.js';

const ADMIN = { email: 'admin@localhost', password: 'correct horse battery staple' };

let scratch: ScratchDatabase;
let nodes: ProxiedNode[];
let session: string;
beforeAll(async () => {
  scratch = await aScratchDatabase(TEST_SERVER_URL ?? '');
  nodes = [];
  for (let count = 0; count < 3; count += 1) nodes.push(await aProxiedNode(scratch.url));
  await nodes[0]?.app.get(FirstStart).run(ADMIN);
  session = (await call(nodes[0], 'POST', '/auth/login', ADMIN)).json<{ access_token: string }>().access_token;
}, 120_000);
afterAll(async () => {
  for (const node of nodes) await node.close();
  await scratch.drop();
});

const call = (node: ProxiedNode | undefined, method: 'POST' | 'DELETE', url: string, payload?: object) =>
  (node as ProxiedNode).app.inject({ method, url, payload, headers: session ? { authorization: `Bearer ${session}` } : {} });
const mint = async (): Promise<string> => (await call(nodes[0], 'POST', '/user/api-tokens', {})).json<{ token: string }>().token;
const isActive = async ({ app }: ProxiedNode, secret: string): Promise<boolean> => (await app.get(TokenVerifier).verify(secret, { ip: null, userAgent: null })).active;
const everywhere = (secret: string): Promise<boolean[]> => Promise.all(nodes.map((node) => isActive(node, secret)));

async function revoke(node: ProxiedNode | undefined, secret: string): Promise<void> {
  const { statusCode } = await (node as ProxiedNode).app.inject({
    method: 'POST',
    url: '/oauth2/revoke',
    headers: { authorization: `Bearer ${session}`, 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams({ token: secret }).toString(),
  });
  expect(statusCode).toBe(200);
}

/** Milliseconds until the token is live nowhere. */
async function untilDead(secret: string): Promise<number> {
  const began = performance.now();
  while ((await everywhere(secret)).some(Boolean)) {
    if (performance.now() - began > 10_000) throw new Error('still live after 10 seconds');
    await pause(2);
  }
  return performance.now() - began;
}

/** Runs the work while a connection of our own, bound to the organization, is in a transaction. */
async function inSlowTransaction(statement: string, parameters: unknown[], meanwhile: () => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: scratch.url });
  await client.connect();
  try {
    await client.query('BEGIN');
    await client.query(`SELECT set_config('gatehouse.organization_id', (SELECT id::text FROM organizations), true)`);
    await client.query(statement, parameters);
    await meanwhile();
    await client.query('COMMIT');
  } finally {
    await client.end();
  }
}

describe('three nodes', () => {
  it('refuse a token at once on the node that revoked it, and within 1 s on the others, be it one or many', async () => {
    const secrets = await Promise.all(Array.from({ length: 50 }, mint));
    for (const secret of secrets) expect(await everywhere(secret)).toEqual([true, true, true]);
    const latencies: number[] = [];
    for (const [index, secret] of secrets.entries()) {
      const node = nodes[index % 3];
      await revoke(node, secret);
      expect(await isActive(node, secret)).toBe(false);
      latencies.push(await untilDead(secret));
    }
    latencies.sort((one, other) => one - other);
    expect(latencies[Math.floor(latencies.length / 2)]).toBeLessThan(100);
    expect(latencies.at(-1)).toBeLessThan(1000);
  });

  it('whose listening connection is cut, ended or swallowed, still know within a second and a half, and later by notification again', async () => {
    for (const cut of [(bus: TcpProxy) => bus.refuse(), (bus: TcpProxy) => bus.silence()]) {
      const secrets = [await mint(), await mint(), await mint()] as const;
      for (const secret of secrets) expect(await everywhere(secret)).toEqual([true, true, true]);
      for (const { bus } of nodes) cut(bus);
      await revoke(nodes[0], secrets[0]);
      expect(await untilDead(secrets[0])).toBeLessThan(1500);
      await revoke(nodes[1], secrets[1]);
      expect(await untilDead(secrets[1])).toBeLessThan(1500);
      for (const { bus } of nodes) bus.mend();
      await revoke(nodes[2], secrets[2]);
      expect(await untilDead(secrets[2])).toBeLessThan(1500);
    }
  });

  it('miss no change of a transaction that began before others and is committed after them', async () => {
    const [late, ...early] = [await mint(), await mint(), await mint()] as const;
    for (const secret of [late, ...early]) expect(await everywhere(secret)).toEqual([true, true, true]);
    const id = (await nodes[0]?.app.get(TokenVerifier).locate(late))?.tokenId;
    await asOwner(scratch.url, async (owner) => {
      await owner.query('ALTER TABLE api_tokens NO FORCE ROW LEVEL SECURITY; ALTER TABLE organizations NO FORCE ROW LEVEL SECURITY');
    });
    await inSlowTransaction('UPDATE api_tokens SET revoked_at = now() WHERE id = $1', [id], async () => {
      for (const secret of early) {
        await revoke(nodes[1], secret);
        await untilDead(secret);
      }
      // Another look of everybody, at the latest now.
      await pause(600);
      expect(await everywhere(late)).toEqual([true, true, true]);
    });
    expect(await untilDead(late)).toBeLessThan(1000);
  });
});

describe('while the database is gone', () => {
  it.each(['refuse', 'silence'] as const)('(%s) what is known is answered until it is 30 seconds old, all else is an outage within a second, and nothing is ever called dead', async (cut) => {
    const [node] = nodes as [ProxiedNode];
    const [known, cold] = [await mint(), await mint()];
    expect(await isActive(node, known)).toBe(true);
    for (const proxy of [node.proxy, node.bus]) proxy[cut]();
    try {
      const began = performance.now();
      while (performance.now() - began < 3_000) {
        expect(await isActive(node, known)).toBe(true);
        await pause(50);
      }
      for (const request of [introspect(node, cold, known), introspect(node, cold, cold)]) {
        const asked = performance.now();
        const { statusCode, headers, body } = await request;
        expect([statusCode, headers['retry-after'], body.includes('"active"')]).toEqual([503, '1', false]);
        expect(performance.now() - asked).toBeLessThan(1500);
      }
      node.clock.pass(30_000);
      await expect(isActive(node, known)).rejects.toThrow();
    } finally {
      for (const proxy of [node.proxy, node.bus]) proxy.mend();
    }
    const mended = performance.now();
    while (!(await isActive(node, cold).catch(() => false))) {
      expect(performance.now() - mended).toBeLessThan(5_000);
      await pause(20);
    }
    await revoke(nodes[1], cold);
    expect(await untilDead(cold)).toBeLessThan(1500);
  });
});

async function introspect({ app }: ProxiedNode, as: string, token: string) {
  const { statusCode, headers, body } = await app.inject({
    method: 'POST',
    url: '/oauth2/introspect',
    headers: { authorization: `Bearer ${as}`, 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams({ token }).toString(),
  });
  return { statusCode, headers, body };
}
