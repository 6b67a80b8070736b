import { asOwner } from './database.js';
import { aFreePort } from './free-port.js';
import { startProgram } from './program.js';

/** The login that docs/scaling.md shows how to make. */
const LOGIN = 'gatehouse_test_service';
/** Fewer than one application asks for: whatever one client left behind in a session, another would find. */
const SERVER_SESSIONS = 3;

export interface PgBouncer {
  /** The address of a database of the test server, through the pooler. */
  urlOf(databaseUrl: string): string;
  stop(): Promise<void>;
}

/** A PgBouncer of our own, in transaction mode, in front of the test server. */
export async function startPgBouncer(server: string): Promise<PgBouncer> {
  await makeLogin(server);
  const { hostname, port: serverPort } = new URL(server);
  const port = await aFreePort();
  const configuration = `[databases]
* = host=${hostname} port=${serverPort || '5432'} user=${LOGIN}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${SERVER_SESSIONS}
max_client_conn = 500
`;
  // It refuses to run as root.
  const asUser = process.getuid?.() === 0 ? ['-u', 'postgres'] : [];
  const program = await startProgram('pgbouncer', port, configuration, (file) => [...asUser, file]);
  return {
    urlOf(databaseUrl) {
      const url = new URL(databaseUrl);
      url.host = `127.0.0.1:${port}`;
      return url.href;
    },
    stop: () => program.stop('SIGKILL'),
  };
}

async function makeLogin(server: string): Promise<void> {
  await asOwner(server, (owner) =>
    owner.query(`DO $$ BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'gatehouse_app') THEN
        CREATE ROLE gatehouse_app NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
      END IF;
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${LOGIN}') THEN
        CREATE ROLE ${LOGIN} LOGIN IN ROLE gatehouse_app;
        ALTER ROLE ${LOGIN} SET statement_timeout = '10s';
        ALTER ROLE ${LOGIN} SET lock_timeout = '5s';
        ALTER ROLE ${LOGIN} SET idle_in_transaction_session_timeout = '15s';
      END IF;
    END $$`),
  );
}
