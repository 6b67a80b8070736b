// What does garbage cost, and what does a flood of it do to good introspections beside it?
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { beside } from './lib/beside.mjs';
import { compare } from './lib/compare.mjs';
import { administratorOf, doorsOf, mint, startGatehouse } from './lib/gatehouse.mjs';
import { requestText } from './lib/load.mjs';
import { figure, report } from './lib/report.mjs';
import { withScratchDatabase } from './lib/scratch-database.mjs';
import { startServer, stopAll } from './lib/server.mjs';

/** Few tokens, so that reading them anew every half minute is not what is measured. */
const [TOKENS, KINDS_OF_GARBAGE] = [100, 1_000];
const CONNECTIONS = 32;
const LOAD = { connections: CONNECTIONS, seconds: Number(process.env.BENCH_SECONDS ?? 4), rounds: 5, awake: true };
/** Offered beside good introspections, which come at an even rate themselves. */
const FLOOD = { connections: 256, perSecond: 20_000 };
const OTHERS = { connections: 16, perSecond: 2_000 };
const figures = [];
const details = { tokens: TOKENS, connections: CONNECTIONS, secondsEach: LOAD.seconds, rounds: LOAD.rounds };

/** It looks like a token of ours, but for its checksum. */
const garbage = () => `api_${randomBytes(32).toString('hex').slice(0, 49)}`;
const many = (toRequest) => Array.from({ length: KINDS_OF_GARBAGE }, () => requestText(toRequest(garbage())));

try {
  await withScratchDatabase(async (databaseUrl) => {
    const gatehouse = await startGatehouse(databaseUrl);
    const admin = await administratorOf(gatehouse);
    const { fynn } = await doorsOf(admin);
    const [caller, ...tokens] = await mint(admin, fynn, TOKENS + 1);
    const headers = { authorization: `Bearer ${caller}` };
    const good = { requests: tokens.map((token) => requestText({ path: '/oauth2/introspect', headers, form: { token } })), expect: '"active":true' };
    const bareRefusal = await startServer('bare node:http', { args: [fileURLToPath(new URL('servers/bare-refusal.mjs', import.meta.url))] });

    console.log('1. What it costs');
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

    console.log('2. Good introspections beside it');
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
      figure('CPU per garbage token introspected, over a good one', cost.ratio('garbage as a token', 'introspection', 'cpuMicroseconds'), { unit: 'times' }),
      figure('CPU per refused credential at introspection, over a good introspection', cost.ratio('garbage as a credential', 'introspection', 'cpuMicroseconds'), { unit: 'times' }),
      figure('the same, over bare node:http that answers 401', cost.ratio('garbage as a credential', 'bare node:http', 'cpuMicroseconds'), { unit: 'times' }),
      figure('Node CPU per refused credential at introspection', cost.of('garbage as a credential', 'cpuMicroseconds'), { unit: 'µs' }),
      figure('the same at GET /user/api-tokens', cost.of('the same at GET /user/api-tokens', 'cpuMicroseconds'), { unit: 'µs' }),
      figure('the same at GET /v1/forward-auth', cost.of('the same at GET /v1/forward-auth', 'cpuMicroseconds'), { unit: 'µs' }),
      figure('Node CPU per garbage token at /edge/validate', cost.of('garbage at /edge/validate', 'cpuMicroseconds'), { unit: 'µs' }),
      ...['beside garbage as credentials', 'beside garbage as tokens'].flatMap((name) => [
        figure(`2,000 good introspections a second, ${name}: answered, of those alone`, fairness.ratio(name, 'perSecond'), { least: 0.9, aim: 1 }),
        figure('the same: median time, over alone', fairness.ratio(name, 'p50'), { unit: 'times', most: 2, aim: 1.2 }),
        figure('the same: p99, over alone', fairness.ratio(name, 'p99'), { unit: 'times' }),
        figure('garbage answered meanwhile, of 20,000 a second offered', fairness.answered(name), { unit: 'a second' }),
      ]),
      figure('for comparison, beside as many good ones: median time, over alone', fairness.ratio('beside as many good ones', 'p50'), { unit: 'times' }),
    );
  });
  report('garbage', { figures, details });
} finally {
  await stopAll();
}
