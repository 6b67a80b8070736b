import { setTimeout as pause } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApplication } from '../../src/application.js';
import { Database } from '../../src/kernel/database/database.js';
import { openServer } from '../../src/kernel/database/open-database.js';
import { newId } from '../../src/kernel/ids.js';
import { FirstStart } from '../../src/organizations/first-start.js';
import { TokenVerifier } from '../../src/tokens/token-verifier.js';
import { PUBLIC_URL } from '../support/app.js';
import { aScratchDatabase, asOwner, openOnServer, TEST_SERVER_URL, throughPooler, type ScratchDatabase } from '../support/database.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const ADMIN = { email: 'admin@localhost', password: 'correct horse battery staple' };
const KEYS = ['a-key-0123456789-abcdefghijklmnopqrstuvwxyz'];
const NOWHERE = { ip: null, userAgent: null };

let scratch: ScratchDatabase;
/** The way of the second node's notifications, which no pooler lets through. */
let bus: TcpProxy;
let nodes: [NestFastifyApplication, NestFastifyApplication];
beforeAll(async () => {
  scratch = await aScratchDatabase(TEST_SERVER_URL ?? '');
  bus = await TcpProxy.to(new URL(scratch.url));
  const node = async (directUrl: string): Promise<NestFastifyApplication> =>
    createApplication({
      config: { logLevel: 'silent', publicUrl: PUBLIC_URL, trustedProxies: [] },
      secretKeys: KEYS,
      database: await openServer(directUrl, throughPooler(scratch.url)),
      background: false,
    });
  nodes = [await node(scratch.url), await node(bus.urlOf(new URL(scratch.url)))];
  await nodes[0].get(FirstStart).run(ADMIN);
});
afterAll(async () => {
  for (const node of nodes) await node.close();
  await bus.close();
  await scratch.drop();
});

describe('behind a pooler in transaction mode', () => {
  it('many share few sessions of the server, and none finds in one what another was bound to', async () => {
    const backends = new Set<number>();
    await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const database = (index % 2 === 0 ? nodes[0] : nodes[1]).get(Database);
        const id = newId();
        await database.inOrganization(id, async ({ manager }) => {
          const [row] = await manager.query<{ pid: number; bound: string; who: string }[]>(
            `SELECT pg_backend_pid() AS pid, current_setting('gatehouse.organization_id') AS bound, current_user AS who, pg_sleep(0.01)`,
          );
          expect(row).toMatchObject({ bound: id, who: 'gatehouse_test_service' });
          backends.add(row?.pid ?? 0);
        });
        const [unbound] = await database.query<{ bound: string | null }>(`SELECT nullif(current_setting('gatehouse.organization_id', true), '') AS bound`);
        expect(unbound).toEqual({ bound: null });
      }),
    );
    // Twenty connections of two nodes, three sessions.
    expect(backends.size).toBeLessThanOrEqual(3);
  });

  it('a query that would hang is ended by the server', async () => {
    const rows = await nodes[0].get(Database).query<{ name: string; setting: string }>(
      `SELECT name, setting FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout') ORDER BY name`,
    );
    expect(rows.map(({ name, setting }) => [name, setting])).toEqual([['idle_in_transaction_session_timeout', '15000'], ['lock_timeout', '5000'], ['statement_timeout', '10000']]);
  });

  it('a revocation is known within a second and a half on a node that nobody can wake', async () => {
    const [here, there] = nodes;
    const session = (await here.inject({ method: 'POST', url: '/auth/login', payload: ADMIN })).json<{ access_token: string }>().access_token;
    const headers = { authorization: `Bearer ${session}` };
    bus.refuse();
    for (let count = 0; count < 5; count += 1) {
      const secret = (await here.inject({ method: 'POST', url: '/user/api-tokens', headers, payload: {} })).json<{ token: string }>().token;
      const isActive = async (): Promise<boolean> => (await there.get(TokenVerifier).verify(secret, NOWHERE)).active;
      expect(await isActive()).toBe(true);
      const revoked = await here.inject({ method: 'POST', url: '/oauth2/revoke', headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' }, payload: `token=${secret}` });
      expect(revoked.statusCode).toBe(200);
      const began = performance.now();
      while (await isActive()) {
        expect(performance.now() - began).toBeLessThan(1500);
        await pause(5);
      }
    }
    bus.mend();
  });
});

describe('a login of the pooler', () => {
  const login = async (statements: string): Promise<string> => {
    const name = `gatehouse_test_${newId().replaceAll('-', '')}`;
    await asOwner(scratch.url, (owner) => owner.query(`CREATE ROLE ${name} LOGIN; ${statements.replaceAll('$', name)}`));
    return name;
  };
  const as = (name: string): string => Object.assign(new URL(scratch.url), { username: name }).href;
  const TIMEOUTS = `ALTER ROLE $ SET statement_timeout = '10s'; ALTER ROLE $ SET lock_timeout = '5s'; ALTER ROLE $ SET idle_in_transaction_session_timeout = '15s';`;

  it.each([
    ['', /is no member of gatehouse_app, has no idle_in_transaction_session_timeout, has no lock_timeout, has no statement_timeout/],
    ['GRANT gatehouse_app TO $;', /" of DATABASE_POOLER_URL has no idle_in_transaction_session_timeout/],
    [TIMEOUTS, /is no member of gatehouse_app: docs\/scaling\.md/],
    [`ALTER ROLE $ SUPERUSER; ${TIMEOUTS}`, /not fit for tenants[\s\S]*whom row-level security does not bind/],
  ])('that brings less than the service needs is refused at the start (%j)', async (statements, fault) => {
    const name = await login(statements);
    try {
      const start = openServer(scratch.url, as(name)).then((database) =>
        createApplication({ config: { logLevel: 'silent', publicUrl: PUBLIC_URL, trustedProxies: [] }, secretKeys: KEYS, database }),
      );
      await expect(start).rejects.toThrow(fault);
    } finally {
      await asOwner(scratch.url, (owner) => owner.query(`DROP ROLE ${name}`));
    }
  });

  it('is not asked for where there is no pooler', async () => {
    expect((await openServer(scratch.url)).keepsSessions).toBe(true);
    expect((await openOnServer(scratch.url)).keepsSessions).toBe(false);
  });
});
