import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { asOwner } from './database.js';
import { aFreePort } from './free-port.js';

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
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-pgbouncer-'));
  const port = await aFreePort();
  writeFileSync(
    join(folder, 'pgbouncer.ini'),
    `[databases]
* = host=${hostname} port=${serverPort || '5432'} user=${LOGIN}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${SERVER_SESSIONS}
max_client_conn = 500
`,
  );
  chmodSync(folder, 0o755);
  // It refuses to run as root.
  const asUser = process.getuid?.() === 0 ? ['-u', 'postgres'] : [];
  const child = spawn('pgbouncer', [...asUser, join(folder, 'pgbouncer.ini')], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` } });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<string>((resolve) => {
    child.once('error', ({ message }) => resolve(message));
    child.once('exit', (code) => resolve(`it ended with ${code}: ${said}`));
  });
  const fault = await Promise.race([ended, answers(port).then(() => null)]);
  if (fault !== null) throw new Error(`PgBouncer does not run: ${fault}`);
  return {
    urlOf(databaseUrl) {
      const url = new URL(databaseUrl);
      url.host = `127.0.0.1:${port}`;
      return url.href;
    },
    async stop() {
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true });
    },
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

async function answers(port: number): Promise<void> {
  for (;;) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isOpen) return;
    await pause(20);
  }
}
