// How long does a token work after its revocation was acknowledged, on any of three nodes? With notifications and without.
import { Agent, request } from 'node:http';
import { startBusProxy } from './lib/bus-proxy.mjs';
import { administratorOf, ask, doorsOf, inParallel, mint, startGatehouse } from './lib/gatehouse.mjs';
import { figure, report } from './lib/report.mjs';
import { withScratchDatabase } from './lib/scratch-database.mjs';
import { stopAll } from './lib/server.mjs';

const NODES = 3;
const TOKENS = Number(process.env.BENCH_TOKENS ?? 1_000);
const secretKey = 'bench-secret-key-of-more-than-32-characters';
const agent = new Agent({ keepAlive: true });

try {
  await withScratchDatabase(async (databaseUrl) => {
    console.log('1. Nodes that are woken by PostgreSQL');
    const woken = await measure(databaseUrl, { atOnce: 1 });
    console.log('2. Nodes that nobody wakes any more: they look by themselves');
    const proxy = await startBusProxy(databaseUrl);
    const silent = await measure(proxy.url, { atOnce: 20, cutBus: proxy.cutBus });
    proxy.close();
    report('revoke', {
      figures: [
        figure('revocation to effect on all of 3 nodes: p99', at(woken, 0.99), { unit: 'ms', most: 100, aim: 20 }),
        figure('the same: longest', at(woken, 1), { unit: 'ms', most: 1000 }),
        figure('the same: median', at(woken, 0.5), { unit: 'ms' }),
        figure('with the bus cut: longest', at(silent, 1), { unit: 'ms', most: 5000, aim: 1000 }),
        figure('with the bus cut: median', at(silent, 0.5), { unit: 'ms' }),
      ],
      details: { nodes: NODES, tokens: TOKENS, millisecondsWithBus: woken.map(rounded), millisecondsWithoutBus: silent.map(rounded) },
    });
  });
} finally {
  agent.destroy();
  await stopAll();
}

/** For each token, the milliseconds from the acknowledgement of its revocation to the last answer of any node that called it active. */
async function measure(databaseUrl, { atOnce, cutBus = () => undefined }) {
  const nodes = [];
  for (let index = 0; index < NODES; index += 1) nodes.push(await startGatehouse(databaseUrl, { name: `node ${index}`, secretKey }));
  const admin = await administratorOf(nodes[0]);
  const { fynn } = await doorsOf(admin);
  const [caller, ...tokens] = await mint(admin, fynn, TOKENS + 1);
  const ids = await inParallel('looking up', tokens, async (token) => (await admin.call('POST', '/v1/tokens/lookup', { json: { token } })).id);
  for (const node of nodes) await inParallel(`warming ${node.name}`, tokens, (token) => ask(node, 'POST', '/oauth2/introspect', { token: caller, form: { token } }));
  cutBus();
  const delays = await inParallel('revoking', tokens, (token, index) => delayOf(nodes, nodes[index % NODES], { caller, token, session: admin.session, id: ids[index] }), atOnce);
  for (const node of nodes) await node.stop();
  return delays;
}

async function delayOf(nodes, revoker, { caller, token, session, id }) {
  let acknowledgedAt = Infinity;
  let lastActiveAt = -Infinity;
  const watching = nodes.map(async (node) => {
    while (await isActive(node, caller, token)) {
      lastActiveAt = Math.max(lastActiveAt, performance.now());
      if (lastActiveAt - acknowledgedAt > 60_000) throw new Error(`${node.name} still calls a revoked token active after a minute`);
    }
  });
  await ask(revoker, 'DELETE', `/v1/tokens/${id}?reason=superseded`, { token: session });
  acknowledgedAt = performance.now();
  await Promise.all(watching);
  return Math.max(0, lastActiveAt - acknowledgedAt);
}

/** With less around it than `fetch` has: asked as often as can be. */
function isActive(node, caller, token) {
  const body = `token=${encodeURIComponent(token)}`;
  const headers = { authorization: `Bearer ${caller}`, 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length };
  return new Promise((resolve, reject) => {
    const asked = request(`${node.url}/oauth2/introspect`, { method: 'POST', agent, headers }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => (response.statusCode === 200 ? resolve(text.startsWith('{"active":true')) : reject(new Error(`${node.name} answered ${response.statusCode}: ${text}`))));
      response.on('error', reject);
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

function at(delays, share) {
  const sorted = [...delays].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

function rounded(delay) {
  return Number(delay.toFixed(2));
}
