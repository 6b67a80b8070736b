// How soon does a node serve, and how much memory does it hold when idle?
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGatehouse } from './lib/gatehouse.mjs';
import { median } from './lib/compare.mjs';
import { figure, report } from './lib/report.mjs';
import { withScratchDatabase } from './lib/scratch-database.mjs';
import { residentMegabytesOf, stopAll } from './lib/server.mjs';

const RUNS = 5;
/** Long enough for what is done once after the start. */
const IDLE_SECONDS = 10;

try {
  const secretKey = 'bench-secret-key-of-more-than-32-characters';
  const onPostgres = await withScratchDatabase((databaseUrl) => measure('PostgreSQL', () => startGatehouse(databaseUrl, { secretKey })));
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'));
  const embedded = await measure('embedded', () => startGatehouse(null, { secretKey, env: { DATA_DIR: dataDir } })).finally(() => rmSync(dataDir, { recursive: true }));
  report('start', {
    figures: [
      figure('ready on PostgreSQL', median(onPostgres.later.map(({ seconds }) => seconds)), { unit: 's', most: 2.5, aim: 1.5 }),
      figure('resident memory when idle, on PostgreSQL', median(onPostgres.later.map(({ megabytes }) => megabytes)), { unit: 'MB', most: 180, aim: 120 }),
      figure('ready on PostgreSQL, the first time', onPostgres.first.seconds, { unit: 's' }),
      figure('ready, embedded, after the first run', median(embedded.later.map(({ seconds }) => seconds)), { unit: 's', most: 4, aim: 2.5 }),
      figure('ready, embedded, the first time', embedded.first.seconds, { unit: 's' }),
      figure('resident memory when idle, embedded', median(embedded.later.map(({ megabytes }) => megabytes)), { unit: 'MB' }),
    ],
    details: { runs: RUNS, idleSeconds: IDLE_SECONDS, onPostgres, embedded },
  });
} finally {
  await stopAll();
}

/** The first start migrates an empty database; the later ones are what a restart takes. */
async function measure(where, start) {
  const runs = [];
  for (let run = 0; run <= RUNS; run += 1) {
    const begun = performance.now();
    const server = await start();
    await untilReady(server.url);
    const seconds = (performance.now() - begun) / 1000;
    await new Promise((resolve) => setTimeout(resolve, IDLE_SECONDS * 1000));
    const megabytes = residentMegabytesOf(server.pid);
    await server.stop();
    runs.push({ seconds, megabytes });
    console.log(`  ${where}, ${run === 0 ? 'first start' : `start ${run}/${RUNS}`}: ready after ${seconds.toFixed(2)} s, ${megabytes.toFixed(0)} MB`);
  }
  const [first, ...later] = runs;
  return { first, later };
}

async function untilReady(url) {
  while (!(await fetch(`${url}/health/ready`)).ok) await new Promise((resolve) => setTimeout(resolve, 10));
}
