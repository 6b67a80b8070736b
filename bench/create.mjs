// How fast is a token created, committed with its audit event? At each door, against the least that could, against better-auth and
// against Unleash.
import { fileURLToPath } from 'node:url';
import { administratorOf, doorsOf, mint, startGatehouse } from './lib/gatehouse.mjs';
import { compare } from './lib/compare.mjs';
import { requestText } from './lib/load.mjs';
import { installPeers, startBetterAuth, startUnleash, UNLEASH_ADMIN } from './lib/peers.mjs';
import { figure, report } from './lib/report.mjs';
import { asOwner, withScratchDatabase } from './lib/scratch-database.mjs';
import { startServer, stopAll } from './lib/server.mjs';

const CONNECTIONS = 50;
const SETTLING = 2_000;
const LOAD = { connections: CONNECTIONS, seconds: Number(process.env.BENCH_SECONDS ?? 6), rounds: 5 };
const figures = [];
const details = { connections: CONNECTIONS, secondsEach: LOAD.seconds, rounds: LOAD.rounds };
const VENDORS = { fynn: 'Fynn', unleash: 'Unleash', infisical: 'Infisical', deepset: 'deepset', flipt: 'Flipt' };
/** At the door of deepset nobody mints with a token. */
const CALLS = Object.keys(VENDORS).flatMap((door) => (door === 'deepset' ? ['session'] : ['token', 'session']).map((by) => [door, by]));
const NAME = '@'.repeat(10);

installPeers();
try {
  await withScratchDatabase(async (databaseUrl) => {
    const gatehouse = await startGatehouse(databaseUrl);
    const admin = await administratorOf(gatehouse);
    const doors = await doorsOf(admin);
    const [service] = await mint(admin, doors.fynn, 1);
    // Plans that were made for empty tables last until they are analyzed, which a server does by itself within about a minute.
    await mint(admin, doors.fynn, SETTLING, 'settling');
    await asOwner(databaseUrl, (client) => client.query('ANALYZE'));
    const creation = (door, credential) => [requestText({ path: doors[door].path, headers: { authorization: `Bearer ${credential}` }, json: doors[door].json })];

    await withScratchDatabase(async (bareUrl) => {
      console.log('1. Each door, called with a token and with a session, against bare Fastify with one INSERT');
      const bare = await startServer('bare Fastify', { args: [fileURLToPath(new URL('servers/bare-insert.mjs', import.meta.url))], env: { DATABASE_URL: bareUrl } });
      const result = await compare(
        [
          { name: 'bare', server: bare, requests: [requestText({ path: '/tokens', json: { name: NAME } })] },
          ...CALLS.map(([door, by]) => ({ name: `${VENDORS[door]}, by a ${by}`, server: gatehouse, requests: creation(door, by === 'token' ? service : admin.session) })),
        ],
        LOAD,
      );
      details.creation = result.rounds;
      for (const [door, by] of CALLS) {
        figures.push(figure(`creation at the door of ${VENDORS[door]} by a ${by}, over bare Fastify + one INSERT`, result.ratio(`${VENDORS[door]}, by a ${by}`, 'bare'), { least: 0.8, aim: 1.2 }));
      }
      await bare.stop();
    });
    await requireEveryTokenRecorded(databaseUrl);

    await withScratchDatabase(async (peerUrl) => {
      console.log('2. Against Unleash');
      const unleash = await startUnleash(peerUrl);
      const peer = await compare(
        [
          { name: 'Unleash', server: unleash, requests: [requestText({ path: '/api/admin/projects/default/api-tokens', headers: { authorization: UNLEASH_ADMIN }, json: doors.unleash.json })] },
          { name: 'Gatehouse', server: gatehouse, requests: creation('unleash', service) },
        ],
        LOAD,
      );
      details.unleash = peer.rounds;
      figures.push(figure("project token creation over Unleash's", peer.ratio('Gatehouse', 'Unleash'), { unit: 'times', least: 5, aim: 15 }));
      await unleash.stop();
    });

    await withScratchDatabase(async (peerUrl) => {
      console.log('3. Against better-auth');
      const betterAuth = await startBetterAuth(peerUrl);
      const peer = await compare(
        [
          { name: 'better-auth', server: betterAuth, requests: [requestText({ path: '/create', json: { name: NAME } })] },
          { name: 'Gatehouse', server: gatehouse, requests: creation('fynn', service) },
        ],
        LOAD,
      );
      details.betterAuth = peer.rounds;
      figures.push(figure("creation over better-auth's", peer.ratio('Gatehouse', 'better-auth'), { unit: 'times' }));
    });
  });
  report('create', { figures, details });
} finally {
  await stopAll();
}

/** What is fast because it forgets the record is not what was measured. */
async function requireEveryTokenRecorded(databaseUrl) {
  const [row] = await asOwner(databaseUrl, async (client) =>
    (await client.query(`SELECT count(*)::int AS tokens, (SELECT count(*)::int FROM audit_events WHERE action = 'token.minted') AS recorded FROM api_tokens`)).rows);
  if (row.tokens !== row.recorded) throw new Error(`${row.tokens} tokens were created, but ${row.recorded} are recorded`);
  details.tokensCreated = row.tokens;
}
