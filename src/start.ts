import cluster from 'node:cluster';
import { ConfigInvalid, httpUrl, readConfig, type Config } from './kernel/config.js';
import type { OpenDatabase } from './kernel/database/open-database.js';
import { Workers } from './workers.js';

/** Keeps the start-up contract: migrates, creates the first administrator on an empty database, then listens; in as many processes as are asked for. */
export async function startGatehouse(environment: NodeJS.ProcessEnv): Promise<void> {
  const config = readConfig(environment);
  if (config.workers > 1 && cluster.isPrimary) superviseWorkers(config);
  else await serve(config);
}

export function fail(error: unknown): void {
  if (error instanceof ConfigInvalid) process.stderr.write(`${error.message}\n\nSee .env.example for what each variable means.\n`);
  else process.stderr.write(`Gatehouse cannot run: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

function superviseWorkers(config: Config): void {
  say(`Starting ${config.workers} workers on PostgreSQL …`);
  if (config.redisUrl === null) say('Each worker counts rate limits for itself; with REDIS_URL all count together.');
  new Workers({ count: config.workers, onListening: (port) => welcome(config, httpUrl(config.host, port)), say }).run();
}

async function serve(config: Config): Promise<void> {
  const worker = cluster.worker?.id;
  if (!worker) say(config.databaseUrl ? 'Connecting to PostgreSQL …' : `Opening the embedded database in ${config.dataDir} …`);
  // The application is large: it is loaded while the database answers, and not at all in a process that serves nothing.
  const [{ database, secretKeys }, { createApplication }, { FirstStart }] = await Promise.all([
    openData(config),
    import('./application.js'),
    import('./organizations/first-start.js'),
  ]);
  if (database.migrationsApplied.length > 0) say(`Applied ${database.migrationsApplied.length} migration(s).`);
  const app = await createApplication({ config, database, secretKeys, worker });
  try {
    const drawnPassword = await app.get(FirstStart).run({ email: config.adminEmail, password: config.adminPassword });
    if (drawnPassword) showPassword(config, drawnPassword);
    await app.listen(config.port, config.host);
    if (!worker) welcome(config, await app.getUrl());
  } catch (error) {
    await app.close();
    await database.close();
    throw error;
  }
  let stopping = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      // A terminal sends it to every process, and whoever supervises them passes it on.
      if (stopping) return;
      stopping = true;
      if (!worker) say(`${signal}: finishing what is under way …`);
      app
        .close()
        .then(() => database.close())
        .then(() => process.exit(0), fail);
    });
  }
}

async function openData(config: Config): Promise<{ database: OpenDatabase; secretKeys: readonly string[] }> {
  const { openEmbedded, openServer } = await import('./kernel/database/open-database.js');
  if (config.databaseUrl) return { database: await openServer(config.databaseUrl, config.databasePoolerUrl, config.databaseReplicaUrls), secretKeys: config.secretKeys ?? [] };
  const { readOrDrawSecret } = await import('./kernel/generated-secret.js');
  const secretKeys = config.secretKeys ?? [await readOrDrawSecret(config.dataDir)];
  return { database: await openEmbedded(config.dataDir), secretKeys };
}

function showPassword(config: Config, drawnPassword: string): void {
  say('');
  say('  First administrator, shown only now:');
  say(`    e-mail    ${config.adminEmail}`);
  say(`    password  ${drawnPassword}`);
  say('');
}

function welcome(config: Config, url: string): void {
  say(`Gatehouse listens on ${url}`);
  say(`  Swagger UI   ${url}/docs`);
  say(`  Log in       curl -s ${url}/auth/login -H 'content-type: application/json' -d '{"email":"${config.adminEmail}","password":"…"}'`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
