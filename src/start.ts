import { createApplication } from './application.js';
import { ConfigInvalid, readConfig, type Config } from './kernel/config.js';
import { openEmbedded, openServer, type OpenDatabase } from './kernel/database/open-database.js';
import { readOrDrawSecret } from './kernel/generated-secret.js';
import { FirstStart } from './organizations/first-start.js';

/** Keeps the start-up contract: migrates, creates the first administrator on an empty database, then listens. */
export async function startGatehouse(environment: NodeJS.ProcessEnv): Promise<void> {
  const config = readConfig(environment);
  say(config.databaseUrl ? 'Connecting to PostgreSQL …' : `Opening the embedded database in ${config.dataDir} …`);
  const { database, secretKeys } = await openData(config);
  if (database.migrationsApplied.length > 0) say(`Applied ${database.migrationsApplied.length} migration(s).`);
  const app = await createApplication({ config, database, secretKeys });
  try {
    const drawnPassword = await app.get(FirstStart).run({ email: config.adminEmail, password: config.adminPassword });
    await app.listen(config.port, config.host);
    welcome(config, await app.getUrl(), drawnPassword);
  } catch (error) {
    await app.close();
    await database.close();
    throw error;
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      say(`${signal}: finishing what is under way …`);
      app
        .close()
        .then(() => database.close())
        .then(() => process.exit(0), fail);
    });
  }
}

export function fail(error: unknown): void {
  if (error instanceof ConfigInvalid) process.stderr.write(`${error.message}\n\nSee .env.example for what each variable means.\n`);
  else process.stderr.write(`Gatehouse cannot run: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

async function openData(config: Config): Promise<{ database: OpenDatabase; secretKeys: readonly string[] }> {
  if (config.databaseUrl) return { database: await openServer(config.databaseUrl, config.databasePoolerUrl), secretKeys: config.secretKeys ?? [] };
  const secretKeys = config.secretKeys ?? [await readOrDrawSecret(config.dataDir)];
  return { database: await openEmbedded(config.dataDir), secretKeys };
}

function welcome(config: Config, url: string, drawnPassword: string | null): void {
  if (drawnPassword) {
    say('');
    say('  First administrator, shown only now:');
    say(`    e-mail    ${config.adminEmail}`);
    say(`    password  ${drawnPassword}`);
    say('');
  }
  say(`Gatehouse listens on ${url}`);
  say(`  Swagger UI   ${url}/docs`);
  say(`  Log in       curl -s ${url}/auth/login -H 'content-type: application/json' -d '{"email":"${config.adminEmail}","password":"…"}'`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
