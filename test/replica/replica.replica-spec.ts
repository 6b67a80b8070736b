import { setTimeout as pause } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApplication } from '../../src/application.js';
import { Database } from '../../src/kernel/database/database.js';
import { openServer } from '../../src/kernel/database/open-database.js';
import { newId } from '../../src/kernel/ids.js';
import { FirstStart } from '../../src/organizations/first-start.js';
import { PUBLIC_URL } from '../support/app.js';
import { asOwner } from '../support/database.js';
import { startReplicatedServer, type ReplicatedServer } from '../support/streaming-replica.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const ADMIN = { email: 'admin@localhost', password: 'correct horse battery staple' };
/** For so long a replica that was not there is left alone. */
const REST_MS = 5_000;

let server: ReplicatedServer;
let way: TcpProxy;
let nodes: [NestFastifyApplication, NestFastifyApplication];
let session: string;
beforeAll(async () => {
  server = await startReplicatedServer();
  way = await TcpProxy.to(new URL(server.replica));
  nodes = [await aNode([way.urlOf(new URL(server.replica))]), await aNode([way.urlOf(new URL(server.replica))])];
  await nodes[0].get(FirstStart).run(ADMIN);
  session = (await nodes[0].inject({ method: 'POST', url: '/auth/login', payload: ADMIN })).json<{ access_token: string }>().access_token;
});
afterAll(async () => {
  for (const node of nodes) await node.close();
  await way.close();
  await server.stop();
});

async function aNode(replicas: readonly string[]): Promise<NestFastifyApplication> {
  return createApplication({
    config: { logLevel: 'silent', publicUrl: PUBLIC_URL, trustedProxies: [] },
    secretKeys: ['a-key-0123456789-abcdefghijklmnopqrstuvwxyz'],
    database: await openServer(server.primary, null, replicas),
    background: false,
  });
}

const ask = async (node: NestFastifyApplication, method: 'GET' | 'POST', url: string, payload?: object) => {
  const response = await node.inject({ method, url, headers: { authorization: `Bearer ${session}` }, ...(payload && { payload }) });
  return { status: response.statusCode, bodyOf: () => response.json<any>() };
};
const mint = async (name: string): Promise<string> => (await ask(nodes[0], 'POST', '/user/api-tokens', { description: name })).bodyOf().token;
const newestName = async (node: NestFastifyApplication): Promise<string> => (await ask(node, 'GET', '/v1/tokens?limit=1')).bodyOf().data[0].description;
const isActive = async (node: NestFastifyApplication, secret: string): Promise<boolean> => {
  const response = await node.inject({ method: 'POST', url: '/oauth2/introspect', headers: { authorization: `Bearer ${session}`, 'content-type': 'application/x-www-form-urlencoded' }, payload: `token=${secret}` });
  return response.json<{ active: boolean }>().active;
};
const organizationId = async (): Promise<string> => (await ask(nodes[0], 'GET', '/v1/organization')).bodyOf().id;
/** Where the node reads what may be read from a replica. */
const readsAt = (node: NestFastifyApplication): Promise<'replica' | 'primary'> =>
  node.get(Database).readInOrganization(newId(), async ({ manager }) => {
    const [row] = await manager.query<{ replica: boolean }[]>('SELECT pg_is_in_recovery() AS replica');
    return row?.replica ? 'replica' : 'primary';
  });
const onReplica = (sql: string) => asOwner(server.replica, (owner) => owner.query(sql));

async function untilReadsAt(place: 'replica' | 'primary', limitMs: number): Promise<void> {
  const began = performance.now();
  while ((await readsAt(nodes[0])) !== place) {
    if (performance.now() - began > limitMs) throw new Error(`still no reads at the ${place} after ${limitMs} ms`);
    await pause(50);
  }
}

describe('with a read replica', () => {
  it('lists and exports are read there, whatever else is asked on the primary', async () => {
    await untilReadsAt('replica', 5_000);
    const dataSource = nodes[0].get(DataSource);
    const create = dataSource.createQueryRunner.bind(dataSource);
    const modes: string[] = [];
    dataSource.createQueryRunner = (mode = 'master') => {
      modes.push(mode);
      return create(mode);
    };
    const secret = await mint('one of many');
    expect(await isActive(nodes[0], secret)).toBe(true);
    await ask(nodes[0], 'GET', '/v1/projects');
    await ask(nodes[0], 'GET', '/auth/me');
    expect(modes.filter((mode) => mode === 'slave')).toEqual([]);
    for (const path of ['/v1/tokens', '/v1/audit-events', '/v1/audit-events/export']) {
      modes.length = 0;
      expect((await ask(nodes[0], 'GET', path)).status).toBe(200);
      expect([path, modes.includes('slave')]).toEqual([path, true]);
    }
    dataSource.createQueryRunner = create;
  });

  it('everybody reads there what anybody had written before, on whichever node', async () => {
    for (let count = 0; count < 30; count += 1) {
      await mint(`number ${count}`);
      expect(await newestName(nodes[count % 2 ? 0 : 1])).toBe(`number ${count}`);
    }
  });

  it('a replica that lags behind is not read from, and no verdict is ever made of it', async () => {
    const secret = await mint('before the pause');
    expect([await isActive(nodes[0], secret), await isActive(nodes[1], secret)]).toEqual([true, true]);
    await onReplica('SELECT pg_wal_replay_pause()');
    try {
      await mint('during the pause');
      expect(await newestName(nodes[1])).toBe('during the pause');
      expect(await readsAt(nodes[1])).toBe('primary');
      await nodes[0].inject({ method: 'POST', url: '/oauth2/revoke', headers: { authorization: `Bearer ${session}`, 'content-type': 'application/x-www-form-urlencoded' }, payload: `token=${secret}` });
      expect(await isActive(nodes[0], secret)).toBe(false);
      const began = performance.now();
      while (await isActive(nodes[1], secret)) expect(performance.now() - began).toBeLessThan(1_500);
    } finally {
      await onReplica('SELECT pg_wal_replay_resume()');
    }
    await untilReadsAt('replica', 5_000);
  });

  it('a transaction there sees its own organization alone, and leaves nothing behind', async () => {
    const own = await organizationId();
    const count = (id: string): Promise<number> =>
      nodes[0].get(Database).readInOrganization(id, async ({ manager }) => {
        const [row] = await manager.query<{ replica: boolean; count: string }[]>('SELECT pg_is_in_recovery() AS replica, (SELECT count(*) FROM api_tokens) AS count');
        expect(row?.replica).toBe(true);
        return Number(row?.count);
      });
    await untilReadsAt('replica', 5_000);
    const counts = await Promise.all(Array.from({ length: 40 }, (_, index) => count(index % 2 ? own : newId())));
    expect(new Set(counts.filter((_, index) => index % 2 === 0))).toEqual(new Set([0]));
    expect(counts[1]).toBeGreaterThan(30);
    const unbound = nodes[0].get(DataSource).createQueryRunner('slave');
    expect(await unbound.query('SELECT count(*)::int AS count, current_user AS who FROM api_tokens')).toEqual([{ count: 0, who: 'gatehouse_app' }]);
    await expect(unbound.query('DELETE FROM projects')).rejects.toThrow(/read-only/);
    await unbound.release();
  });
});

describe('without its replica', () => {
  it.each([
    ['that is stopped', () => server.stopReplica(), () => server.startReplica()],
    ['that refuses connections', async () => way.refuse(), async () => way.mend()],
    ['that swallows everything', async () => way.silence(), async () => way.mend()],
  ])('(one %s) a node serves everything, and reads there again once it is back', async (_, cut, mend) => {
    await untilReadsAt('replica', 3 * REST_MS);
    await cut();
    try {
      for (let count = 0; count < 5; count += 1) {
        const began = performance.now();
        expect((await ask(nodes[0], 'GET', '/v1/tokens?limit=1')).status).toBe(200);
        expect(performance.now() - began).toBeLessThan(3_000);
        expect(await isActive(nodes[0], await mint('meanwhile'))).toBe(true);
      }
      expect((await ask(nodes[0], 'GET', '/health/ready')).status).toBe(200);
    } finally {
      await mend();
    }
    await untilReadsAt('replica', 3 * REST_MS);
  });

  it.each([
    ['nobody listens', () => 'postgres://postgres@127.0.0.1:1/postgres'],
    ['another primary answers', () => server.primary],
    ['another database is', () => Object.assign(new URL(server.replica), { pathname: '/template1' }).href],
  ])('a node starts where %s, and serves from the primary', async (_, url) => {
    const node = await aNode([url()]);
    try {
      expect((await ask(node, 'GET', '/v1/tokens?limit=1')).status).toBe(200);
      expect(await readsAt(node)).toBe('primary');
    } finally {
      await node.close();
    }
  });
});
