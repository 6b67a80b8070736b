// How fast is a token verified? Against the least that could answer, against better-auth, against Unleash, and beside garbage.
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { administratorOf, ask, doorsOf, inParallel, mint, startGatehouse } from './lib/gatehouse.mjs';
import { beside } from './lib/beside.mjs';
import { compare } from './lib/compare.mjs';
import { requestText } from './lib/load.mjs';
import { installPeers, startBetterAuth, startUnleash, UNLEASH_ADMIN } from './lib/peers.mjs';
import { figure, report } from './lib/report.mjs';
import { withScratchDatabase } from './lib/scratch-database.mjs';
import { startServer, stopAll } from './lib/server.mjs';

const TOKENS = 1_000;
const CONNECTIONS = 32;
const LOAD = { connections: CONNECTIONS, seconds: Number(process.env.BENCH_SECONDS ?? 6), rounds: 5, awake: true };
/** Offered beside good introspections, which come at an even rate themselves. */
const FLOOD = { connections: 256, perSecond: 20_000 };
const OTHERS = { connections: 16, perSecond: 2_000 };
const figures = [];
const details = { tokens: TOKENS, connections: CONNECTIONS, secondsEach: LOAD.seconds, rounds: LOAD.rounds };

/** It is told what to answer once it runs. */
const startBare = (answers) =>
  startServer('bare Fastify', {
    args: [fileURLToPath(new URL('servers/bare-verify.mjs', import.meta.url))],
    onStart: (child) => child.once('message', () => child.send(answers)),
  });

/** It looks like a token of ours, but for its checksum. */
const garbage = () => `api_${randomBytes(32).toString('hex').slice(0, 49)}`;

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

    console.log('4. Garbage, and good introspections beside it');
    const bareRefusal = await startServer('bare node:http', { args: [fileURLToPath(new URL('servers/bare-refusal.mjs', import.meta.url))] });
    const many = (toRequest) => Array.from({ length: TOKENS }, () => requestText(toRequest(garbage())));
    // Few, so that reading them anew every half minute is not what is measured.
    const good = { requests: single.slice(0, 100), expect };
    const asToken = { requests: many((token) => ({ path: '/oauth2/introspect', headers, form: { token } })), expect: '"active":false' };
    const asCredential = { requests: many((secret) => ({ path: '/oauth2/introspect', headers: { authorization: `Bearer ${secret}` }, form: { token: tokens[0] } })), status: '401' };
    const cost = await compare(
      [
        { name: 'bare node:http', server: bareRefusal, ...asCredential },
        { name: 'introspection', server: gatehouse, ...good },
        { name: 'garbage as a token', server: gatehouse, ...asToken },
        { name: 'garbage as a credential', server: gatehouse, ...asCredential },
        { name: 'the same at GET /user/api-tokens', server: gatehouse, requests: many((secret) => ({ method: 'GET', path: '/user/api-tokens', headers: { authorization: `Bearer ${secret}` } })), status: '401' },
        { name: 'the same at GET /v1/forward-auth', server: gatehouse, requests: many((secret) => ({ method: 'GET', path: '/v1/forward-auth', headers: { authorization: `Bearer ${secret}` } })), status: '401' },
        { name: 'garbage at /edge/validate', server: gatehouse, requests: many((token) => ({ path: '/edge/validate', json: { tokens: [token] } })), expect: '"tokens":[]' },
      ],
      LOAD,
    );
    await bareRefusal.stop();
    const fairness = await beside(
      gatehouse,
      { ...good, ...OTHERS },
      [
        { name: 'beside garbage as credentials', ...asCredential, ...FLOOD },
        { name: 'beside garbage as tokens', ...asToken, ...FLOOD },
        { name: 'beside as many good ones', ...good, ...FLOOD },
      ],
      LOAD,
    );
    details.garbage = cost.rounds;
    details.beside = { flood: FLOOD, others: OTHERS, rounds: fairness.rounds };
    figures.push(
      figure('CPU per garbage token introspected, over a good one', cost.ratio('garbage as a token', 'introspection', 'cpuMicroseconds'), { unit: 'times', most: 1, aim: 0.8 }),
      figure('CPU per refused credential at introspection, over a good introspection', cost.ratio('garbage as a credential', 'introspection', 'cpuMicroseconds'), { unit: 'times', most: 1, aim: 0.5 }),
      figure('the same, over bare node:http that answers 401', cost.ratio('garbage as a credential', 'bare node:http', 'cpuMicroseconds'), { unit: 'times', most: 1.5, aim: 1.2 }),
      figure('Node CPU per refused credential at introspection', cost.of('garbage as a credential', 'cpuMicroseconds'), { unit: 'µs', most: 50, aim: 25 }),
      figure('the same at GET /user/api-tokens', cost.of('the same at GET /user/api-tokens', 'cpuMicroseconds'), { unit: 'µs', most: 50, aim: 25 }),
      figure('the same at GET /v1/forward-auth', cost.of('the same at GET /v1/forward-auth', 'cpuMicroseconds'), { unit: 'µs', most: 50, aim: 25 }),
      figure('Node CPU per garbage token at /edge/validate', cost.of('garbage at /edge/validate', 'cpuMicroseconds'), { unit: 'µs', most: 50, aim: 25 }),
      ...['beside garbage as credentials', 'beside garbage as tokens'].flatMap((name) => [
        figure(`2,000 good introspections a second, ${name}: answered, of those alone`, fairness.ratio(name, 'perSecond'), { least: 0.9, aim: 1 }),
        figure('the same: median time, over alone', fairness.ratio(name, 'p50'), { unit: 'times', most: 2, aim: 1.2 }),
        figure('the same: p99, over alone', fairness.ratio(name, 'p99'), { unit: 'times' }),
        figure('garbage answered meanwhile, of 20,000 a second offered', fairness.answered(name), { unit: 'a second' }),
      ]),
      figure('for comparison, beside as many good ones: median time, over alone', fairness.ratio('beside as many good ones', 'p50'), { unit: 'times' }),
    );
  });
  report('verify', { figures, details });
} finally {
  await stopAll();
}
