import { Writable } from 'node:stream';
import Fastify, { LogController, type FastifyInstance } from 'fastify';
import { beforeEach, describe, expect, it } from 'vitest';
import { SettableClock } from '../../../test/support/settable-clock.js';
import { logRequests } from './request-log.js';

let server: FastifyInstance;
let clock: SettableClock;
let log: Record<string, unknown>[];
let note: ReturnType<typeof logRequests>;

beforeEach(async () => {
  log = [];
  clock = new SettableClock();
  const stream = new Writable({
    write: (line: Buffer, _, done) => {
      log.push(JSON.parse(line.toString()) as Record<string, unknown>);
      done();
    },
  });
  server = Fastify({ logger: { stream }, logController: new LogController({ disableRequestLogging: true }) });
  note = logRequests(server, clock);
  for (const [path, status] of [['/good/:secret', 200], ['/bad/:secret', 401], ['/quiet/', 200], ['/quiet/bad', 403]] as const) {
    server.get(path, { config: { quiet: path === '/quiet/' } }, (_, reply) => reply.status(status).send());
  }
  await server.ready();
  return () => server.close();
});

async function ask(url: string, times = 1): Promise<void> {
  for (let time = 0; time < times; time += 1) await server.inject(url);
}

const said = (): string[] => log.map(({ route, status, more }) => `${String(route)} ${String(status)}${more === undefined ? '' : ` ${Number(more)}`}`);
const times = (count: number, line: string): string[] => Array<string>(count).fill(line);

describe('the log of requests', () => {
  it('has one line a request, with its id, its route and not its path, and how long it took', async () => {
    await ask('/good/a-secret?and=another');
    expect(log).toEqual([expect.objectContaining({ reqId: 'req-1', method: 'GET', route: '/good/:secret', status: 200, durationMs: expect.any(Number) })]);
    expect(JSON.stringify(log)).not.toContain('secret?');
    expect(JSON.stringify(log)).not.toContain('a-secret');
  });

  it('has none of what is quiet, but where it failed', async () => {
    await ask('/quiet/');
    await ask('/quiet/?and=more');
    expect(said()).toEqual([]);
    await ask('/quiet/bad');
    expect(said()).toEqual(['/quiet/bad 403']);
  });

  it('has a hundred failures in a second one by one; those beyond are counted, and one line for each route and status says how many they were', async () => {
    await ask('/bad/x', 109);
    await ask('/nowhere', 7);
    await ask('/good/x', 5);
    expect(said()).toEqual([...times(100, '/bad/:secret 401'), ...times(5, '/good/:secret 200')]);
    clock.pass(1_001);
    await ask('/bad/x');
    expect(said().slice(105)).toEqual(['/bad/:secret 401 9', 'none 404 7', '/bad/:secret 401']);
  });

  it('counts with them what the server did not see itself, and forgets none of it at the end', async () => {
    const route = { method: 'POST', routeOptions: { url: '/direct', config: {} } } as Parameters<typeof note>[0];
    const reply = { statusCode: 401, elapsedTime: 1.26 } as Parameters<typeof note>[1];
    await ask('/bad/x', 99);
    for (let time = 0; time < 3; time += 1) note({ ...route, id: `req-${time}` }, reply);
    expect(log.at(-1)).toMatchObject({ reqId: 'req-0', method: 'POST', route: '/direct', status: 401, durationMs: 1.3 });
    await server.close();
    expect(said().slice(99)).toEqual(['/direct 401', '/direct 401 2']);
  });
});
