import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { aFreePort } from './free-port.js';

const run = promisify(execFile);
const BINARIES = '/usr/lib/postgresql';

/** A primary and a streaming replica of our own. */
export interface ReplicatedServer {
  readonly primary: string;
  readonly replica: string;
  stopReplica(): Promise<void>;
  startReplica(): Promise<void>;
  stop(): Promise<void>;
}

export async function startReplicatedServer(): Promise<ReplicatedServer> {
  const [primaryPort, replicaPort] = [await aFreePort(), await aFreePort()];
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-replica-'));
  const isRoot = process.getuid?.() === 0;
  if (isRoot) await run('chown', ['postgres', folder]);
  const bin = newestBinaries();
  // It refuses to run as root.
  const asServer = (program: string, args: readonly string[]) =>
    isRoot ? run('runuser', ['-u', 'postgres', '--', join(bin, program), ...args], { cwd: folder }) : run(join(bin, program), [...args], { cwd: folder });
  const start = (name: string, port: number) =>
    asServer('pg_ctl', ['start', '-w', '-t', '60', '-D', join(folder, name), '-l', join(folder, `${name}.log`), '-o', `-p ${port} -k ${folder} -c listen_addresses=127.0.0.1 -c max_connections=50`]);
  const stop = async (name: string): Promise<void> => {
    if (existsSync(join(folder, name, 'postmaster.pid'))) await asServer('pg_ctl', ['stop', '-w', '-m', 'immediate', '-D', join(folder, name)]);
  };
  const server: ReplicatedServer = {
    primary: `postgres://postgres@127.0.0.1:${primaryPort}/postgres`,
    replica: `postgres://postgres@127.0.0.1:${replicaPort}/postgres`,
    stopReplica: () => stop('replica'),
    startReplica: () => start('replica', replicaPort).then(() => undefined),
    async stop() {
      await stop('replica');
      await stop('primary');
      rmSync(folder, { recursive: true });
    },
  };
  try {
    await asServer('initdb', ['-D', join(folder, 'primary'), '-U', 'postgres', '-A', 'trust', '-N', '--no-instructions']);
    await start('primary', primaryPort);
    await asServer('pg_basebackup', ['-h', '127.0.0.1', '-p', String(primaryPort), '-U', 'postgres', '-D', join(folder, 'replica'), '-R', '-c', 'fast', '-N']);
    await server.startReplica();
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function newestBinaries(): string {
  const versions = readdirSync(BINARIES).filter((name) => Number(name) >= 15).sort((one, other) => Number(other) - Number(one));
  if (!versions[0]) throw new Error(`no PostgreSQL 15 or later in ${BINARIES}`);
  return join(BINARIES, versions[0], 'bin');
}
