import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startServer } from './server.mjs';

const FOLDER = fileURLToPath(new URL('../peers/', import.meta.url));
const NODE_22 = `${FOLDER}node_modules/node/bin/node`;

/** Installs what Gatehouse is measured against into a folder of its own, once. */
export function installPeers() {
  if (existsSync(NODE_22)) return;
  console.log('Installing the peers into bench/peers (about 430 MB, a minute or two) …');
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: FOLDER, stdio: 'inherit' });
  if (status !== 0 || !existsSync(NODE_22)) throw new Error('the peers could not be installed into bench/peers');
}

export function startBetterAuth(databaseUrl) {
  return startServer('better-auth 1.7.5', { args: [`${FOLDER}better-auth.mjs`], env: { DATABASE_URL: databaseUrl, SECRET: 'bench-bench-bench-bench-bench-bench' } });
}

export const UNLEASH_ADMIN = '*:*.0123456789abcdef0123456789abcdef0123456789abcdef01234567';

/** It needs Node 22. */
export function startUnleash(databaseUrl) {
  return startServer('unleash-server 8.2.0', { command: NODE_22, args: [`${FOLDER}unleash.mjs`], env: { DATABASE_URL: databaseUrl, ADMIN_TOKEN: UNLEASH_ADMIN, CHECK_VERSION: 'false' } });
}
