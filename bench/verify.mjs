// How fast is a token verified? Against the least that could answer, against better-auth, and against Unleash.
import { fileURLToPath } from 'node:url';
import { administratorOf, ask, doorsOf, inParallel, mint, startGatehouse } from './lib/gatehouse.mjs';
import { compare } from './lib/compare.mjs';
import { requestText } from './lib/load.mjs';
import { installPeers, startBetterAuth, startUnleash, UNLEASH_ADMIN } from './lib/peers.mjs';
import { figure, report } from './lib/report.mjs';
import { withScratchDatabase } from './lib/scratch-database.mjs';
import { startServer, stopAll } from './lib/server.mjs';

const TOKENS = 1_000;
const CONNECTIONS = 32;
const LOAD = { connections: CONNECTIONS, seconds: Number(process.env.BENCH_SECONDS ?? 6), rounds: 5, awake: true };
const figures = [];
const details = { tokens: TOKENS, connections: CONNECTIONS, secondsEach: LOAD.seconds, rounds: LOAD.rounds };

/** It is told what to answer once it runs. */
const startBare = (answers) =>
  startServer('bare Fastify', {
    args: [fileURLToPath(new URL('servers/bare-verify.mjs', import.meta.url))],
    onStart: (child) => child.once('message', () => child.send(answers)),
  });

installPeers();
try {
  await withScratchDatabase(async (databaseUrl) => {
    console.log('1. Cached introspection, single and in batches, against bare Fastify');
    const gatehouse = await startGatehouse(databaseUrl);
    const admin = await administratorOf(gatehouse);
    const doors = await doorsOf(admin);
    const [caller, ...tokens] = await mint(admin, doors.fynn, TOKENS + 1);
    const answers = await inParallel('warming', tokens, async (token) => [token, JSON.stringify(await ask(gatehouse, 'POST', '/oauth2/introspect', { token: caller, form: { token } }))]);
    const bare = await startBare(answers);
    const headers = { authorization: `Bearer ${caller}` };
    const single = tokens.map((token) => requestText({ path: '/oauth2/introspect', headers, form: { token } }));
    const batches = Array.from({ length: TOKENS / 100 }, (_, index) => tokens.slice(index * 100, index * 100 + 100));
    const expect = '"active":true';
    const result = await compare(
      [
        { name: 'bare', server: bare, requests: single, expect },
        { name: 'introspection', server: gatehouse, requests: single, expect },
        { name: 'batches of 100', server: gatehouse, requests: batches.map((batch) => requestText({ path: '/v1/introspect/batch', headers, json: { tokens: batch } })), expect },
      ],
      LOAD,
    );
    await bare.stop();
    details.introspection = result.rounds;
    figures.push(
      figure('cached introspection, of bare Fastify + HMAC + Map: answers per second', result.ratio('introspection', 'bare'), { least: 0.6, aim: 0.85 }),
      figure('the same by CPU time', result.ratio('bare', 'introspection', 'cpuMicroseconds'), { least: 0.6, aim: 0.85 }),
      figure('Node CPU per cached introspection', result.of('introspection', 'cpuMicroseconds'), { unit: 'µs', most: 100, aim: 60 }),
      figure('tokens per second in batches of 100, over single', result.ratio('batches of 100', 'introspection') * 100, { unit: 'times', least: 4, aim: 8 }),
    );

    console.log('2. Against better-auth');
    await withScratchDatabase(async (peerUrl) => {
      const betterAuth = await startBetterAuth(peerUrl);
      const keys = await inParallel('creating keys', Array.from({ length: TOKENS }), async (_, index) => (await ask(betterAuth, 'POST', '/create', { json: { name: `key ${index}` } })).key);
      const peer = await compare(
        [
          { name: 'better-auth verify', server: betterAuth, requests: keys.map((key) => requestText({ path: '/verify', json: { key } })), expect: '"valid":true' },
          { name: 'introspection', server: gatehouse, requests: single, expect },
        ],
        LOAD,
      );
      details.betterAuth = peer.rounds;
      figures.push(figure('introspection over better-auth verify', peer.ratio('introspection', 'better-auth verify'), { unit: 'times', least: 20, aim: 40 }));
      await betterAuth.stop();
    });

    console.log('3. /edge/validate against Unleash');
    await withScratchDatabase(async (peerUrl) => {
      const unleash = await startUnleash(peerUrl);
      const theirs = await inParallel('creating tokens at Unleash', Array.from({ length: TOKENS }), async (_, index) =>
        (await ask(unleash, 'POST', '/api/admin/projects/default/api-tokens', { token: UNLEASH_ADMIN, json: { tokenName: `token-${index}`, type: 'backend', environment: 'development' } })).secret);
      const ours = await mint(admin, doors.unleash, TOKENS);
      const validations = (secrets) => secrets.map((secret) => requestText({ path: '/edge/validate', json: { tokens: [secret] } }));
      const peer = await compare(
        [
          { name: 'Unleash', server: unleash, requests: validations(theirs), expect: '"type":' },
          { name: 'Gatehouse', server: gatehouse, requests: validations(ours), expect: '"type":' },
        ],
        LOAD,
      );
      details.unleash = peer.rounds;
      figures.push(figure("/edge/validate over Unleash's", peer.ratio('Gatehouse', 'Unleash'), { unit: 'times', least: 5, aim: 10 }));
    });
  });
  report('verify', { figures, details });
} finally {
  await stopAll();
}
