import { Client, defaults, types, type CustomTypesConfig } from 'pg';
import type { DataSourceOptions } from 'typeorm';
import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions.js';
import { Instant } from '../instant.js';
import type { ConnectListener } from './invalidations.js';
import { migrate } from './migrator.js';
import { SnakeCaseNaming } from './naming.js';
import { checkPooler } from './pooler-check.js';
import { pgWithReplicas } from './replicas.js';
import { pgWith, ServerPool } from './server-pool.js';
import { SESSION_OPTIONS } from './session-settings.js';

/** Instants keep their microseconds; everything else as `pg` reads it by default. */
const TIMESTAMPTZ: number = types.builtins.TIMESTAMPTZ;
const INSTANTS: CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === TIMESTAMPTZ && format !== 'binary'
      ? (text: string) => Instant.parse(text)
      : (types.getTypeParser as (oid: number, format?: string) => unknown)(oid, format),
};

type Where = Pick<PostgresDataSourceOptions, 'url' | 'replication' | 'driver'>;

/** A database that is migrated and ready to serve. */
export interface OpenDatabase {
  readonly embedded: boolean;
  readonly migrationsApplied: readonly string[];
  /** False behind a pooler that hands a server's session to somebody else after each transaction. */
  readonly keepsSessions: boolean;
  readonly dataSourceOptions: DataSourceOptions;
  readonly connectListener: ConnectListener;
  close(): Promise<void>;
}

/**
 * Reaches PostgreSQL at the URL and migrates it; through the pooler, where there is one, goes all that needs no session.
 * Read replicas need not be there.
 */
export async function openServer(url: string, poolerUrl: string | null = null, replicaUrls: readonly string[] = []): Promise<OpenDatabase> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  await client.connect();
  const migrationsApplied = await migrate(client).finally(() => client.end());
  if (poolerUrl !== null) await checkPooler(poolerUrl);
  return {
    embedded: false,
    migrationsApplied,
    keepsSessions: poolerUrl === null,
    dataSourceOptions: dataSourceOptions({ ...reaching(poolerUrl ?? url, replicaUrls), poolSize: 10 }, poolerUrl === null),
    connectListener: () =>
      new Client({ connectionString: url, application_name: 'gatehouse listener', connectionTimeoutMillis: 1000, query_timeout: 5000, keepAlive: true, options: SESSION_OPTIONS }),
    close: () => Promise.resolve(),
  };
}

/** Runs PostgreSQL in this process, on the directory or (null) in memory, and migrates it. */
export async function openEmbedded(directory: string | null): Promise<OpenDatabase> {
  // Loaded only where it is used: it is large.
  const { EmbeddedPostgres } = await import('./embedded-postgres.js');
  const server = await EmbeddedPostgres.open(directory);
  try {
    const pool = new server.pg.Pool({});
    const client = await pool.connect();
    const migrationsApplied = await migrate(client).finally(() => client.release());
    await pool.end();
    return {
      embedded: true,
      migrationsApplied,
      keepsSessions: true,
      dataSourceOptions: dataSourceOptions({ driver: server.pg, poolSize: 1 }, true),
      connectListener: null,
      close: () => server.close(),
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}

function reaching(url: string, replicaUrls: readonly string[]): Where {
  if (replicaUrls.length === 0) return { url, driver: pgWith(ServerPool) };
  // Whoever does not ask for a replica by name gets the primary.
  const replication = { master: { url }, slaves: replicaUrls.map((replica) => ({ url: replica })), defaultMode: 'master' } as const;
  return { replication, driver: pgWithReplicas(replicaUrls) };
}

function dataSourceOptions(where: Where & { poolSize: number }, keepsSessions: boolean): DataSourceOptions {
  return {
    type: 'postgres',
    ...where,
    applicationName: 'gatehouse',
    synchronize: false,
    installExtensions: false,
    namingStrategy: new SnakeCaseNaming(),
    // A missing id must never widen a query to "any row".
    invalidWhereValuesBehavior: { null: 'throw', undefined: 'throw' },
    connectTimeoutMS: 2000,
    extra: {
      types: INSTANTS,
      // A pooler refuses them: there they come with the login.
      ...(keepsSessions && { options: SESSION_OPTIONS }),
      query_timeout: 12_000,
      keepAlive: true,
    },
  };
}

// `pg` would send a Date in the local zone; the service sends Instants, and this keeps anything else unambiguous.
defaults.parseInputDatesAsUTC = true;
