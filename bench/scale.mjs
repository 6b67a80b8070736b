// Does it stay as fast with a thousand times as many tokens? And what does a token cost that is remembered?
import { fileURLToPath } from 'node:url';
import { administratorOf, ask, doorsOf, inParallel, mint, startGatehouse } from './lib/gatehouse.mjs';
import { compare } from './lib/compare.mjs';
import { fill } from './lib/fill.mjs';
import { requestText } from './lib/load.mjs';
import { figure, report } from './lib/report.mjs';
import { asOwner, withScratchDatabase } from './lib/scratch-database.mjs';
import { stopAll } from './lib/server.mjs';

const SIZES = (process.env.BENCH_SIZES ?? '1000,100000,1000000').split(',').map(Number);
/** All in one organization: the worst case for its lists. */
const KNOWN = 22_000;
/** Of those that are known, the first to be verified: what verifying itself takes for good is not counted. */
const WARMING_UP = 2_000;
const SECONDS = Number(process.env.BENCH_SECONDS ?? 6);
const secretKey = 'bench-secret-key-of-more-than-32-characters';
const label = (size) => `${size.toLocaleString('en')} tokens`;

try {
  await withDatabases(SIZES.length, async (databaseUrls) => {
    const nodes = [];
    for (const [index, size] of SIZES.entries()) nodes.push(await prepare(databaseUrls[index], size));
    const details = { sizes: SIZES, secondsEach: SECONDS, bytesPerToken: Object.fromEntries(nodes.map(({ size, bytesPerToken }) => [label(size), bytesPerToken])) };
    const at = (size) => label(size);
    const [smallest, largest] = [SIZES[0], SIZES.at(-1)].map(at);

    console.log('1. Memory for each token that is remembered');
    const memory = await memoryPerToken(nodes.at(-1));
    console.log('2. Cold verification: what is remembered is not looked at');
    const cold = await compare(nodes.map(({ size, server, caller, secrets }) => ({ name: at(size), server, expect: '"active":true', requests: secrets.map((token) => introspection(caller, token, '?consistency=full')) })), { connections: 8, seconds: SECONDS, rounds: 5 });
    console.log('3. Creation');
    const created = await compare(nodes.map(({ size, server, caller, door }) => ({ name: at(size), server, requests: [requestText({ path: door.path, headers: { authorization: `Bearer ${caller}` }, json: door.json })] })), { connections: 16, seconds: SECONDS, rounds: 3 });
    console.log('4. The first page of the list');
    const listed = await compare(nodes.map(({ size, server, caller }) => ({ name: at(size), server, expect: '"data":[{', requests: [requestText({ method: 'GET', path: '/v1/tokens?limit=50', headers: { authorization: `Bearer ${caller}` } })] })), { connections: 4, seconds: SECONDS, rounds: 3 });
    Object.assign(details, { coldVerification: cold.rounds, creation: created.rounds, firstPage: listed.rounds, memory });

    report('scale', {
      figures: [
        figure(`cold verification with ${largest} over ${smallest}: median time`, cold.ratio(largest, smallest, 'p50'), { unit: 'times', most: 1.3, aim: 1.1 }),
        ...SIZES.map((size) => figure(`cold verification with ${at(size)}: median time, 8 at once`, cold.of(at(size), 'p50'), { unit: 'ms' })),
        figure(`creation with ${largest} over ${smallest}: tokens per second`, created.ratio(largest, smallest), { unit: 'times' }),
        figure(`first page of 50 with ${largest} over ${smallest}: median time`, listed.ratio(largest, smallest, 'p50'), { unit: 'times' }),
        ...SIZES.map((size) => figure(`first page of 50 with ${at(size)}: median time, 4 at once`, listed.of(at(size), 'p50'), { unit: 'ms' })),
        figure('memory for each remembered token', memory.bytesPerToken, { unit: 'bytes' }),
      ],
      details,
    });
  });
} finally {
  await stopAll();
}

function withDatabases(count, work, urls = []) {
  return count === 0 ? work(urls) : withScratchDatabase((url) => withDatabases(count - 1, work, [...urls, url]));
}

async function prepare(databaseUrl, size) {
  const server = await startGatehouse(databaseUrl, {
    name: `Gatehouse with ${label(size)}`,
    secretKey,
    nodeArguments: ['--expose-gc', '--import', fileURLToPath(new URL('lib/tell-memory.mjs', import.meta.url))],
  });
  const admin = await administratorOf(server);
  const door = (await doorsOf(admin)).fynn;
  const [caller] = await mint(admin, door, 1, 'the caller');
  const { user } = await admin.call('GET', '/auth/me');
  const secrets = await fill(databaseUrl, { secretKey, organizationId: admin.organization.id, userId: user.id, count: size, keep: KNOWN });
  const [{ bytes }] = await asOwner(databaseUrl, async (client) =>
    (await client.query(`SELECT pg_total_relation_size('api_tokens') + pg_total_relation_size('token_secrets') AS bytes`)).rows);
  return { size, server, caller, door, secrets, bytesPerToken: Math.round(Number(bytes) / size) };
}

function introspection(caller, token, query = '') {
  return requestText({ path: `/oauth2/introspect${query}`, headers: { authorization: `Bearer ${caller}` }, form: { token } });
}

/** In use after a collection, before and after many tokens are remembered, of which none was before. */
async function memoryPerToken({ server, caller, secrets }) {
  const inUse = () =>
    new Promise((resolve) => {
      server.child.once('message', resolve);
      server.child.send('tell');
    });
  const verify = (tokens) => inParallel('verifying', tokens, (token) => ask(server, 'POST', '/oauth2/introspect', { token: caller, form: { token } }));
  const remembered = secrets.slice(WARMING_UP);
  await verify(secrets.slice(0, WARMING_UP));
  const before = await inUse();
  await verify(remembered);
  const after = await inUse();
  return { tokens: remembered.length, before, after, bytesPerToken: (after.memory - before.memory) / remembered.length };
}
