// Boots the compiled service as a process, on the embedded database, and holds it to the start-up contract.
import { spawnSync } from 'node:child_process';
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ask, killAll, login, start as startWith, step } from './support/compiled-service.mjs';

const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-smoke-'));
const start = (environment = {}) => startWith({ DATA_DIR: dataDir, ...environment });

try {
  let url;
  let password;
  let secret;
  let first;
  await step('lists every fault of the configuration at once and exits non-zero', async () => {
    const run = start({ PORT: 'x', LOG_LEVEL: 'loud', DATABASE_URL: 'mysql://x' });
    assert.notEqual((await run.ended).code, 0);
    for (const name of ['PORT', 'LOG_LEVEL', 'DATABASE_URL', 'SECRET_KEY']) assert.match(run.err, new RegExp(`- ${name} `));
  });
  await step('has one worker alone on the embedded database', async () => {
    const run = start({ WORKERS: '2' });
    assert.notEqual((await run.ended).code, 0);
    assert.match(run.err, /WORKERS needs DATABASE_URL/);
  });
  await step('starts on an empty folder and prints the administrator once', async () => {
    first = start();
    url = await first.listening;
    password = /password {2}(\S+)/.exec(first.out)?.[1];
    assert.ok(password);
    assert.equal((await ask(url, '/health/ready')).status, 200);
  });
  await step('mints and verifies', async () => {
    const token = await login(url, password);
    secret = (await ask(url, '/user/api-tokens', { token, json: {} })).body.token;
    assert.equal((await ask(url, '/oauth2/introspect', { token, form: { token: secret } })).body.active, true);
  });
  await step('seals what happened and writes down when a token was used, by itself', async () => {
    const token = await login(url, password);
    const used = async () => (await ask(url, '/v1/tokens/lookup', { token, json: { token: secret } })).body.use_count > 0;
    const sealed = async () => (await ask(url, '/v1/audit-events', { token })).body.data.every(({ sequence }) => sequence !== null);
    const until = AbortSignal.timeout(20_000);
    for (const done of [sealed, used]) while (!(await done())) await pause(100, undefined, { signal: until });
  });
  await step('does what README shows with curl', async () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const blocks = ['A first token with curl', "A token's life with curl"].map((title) => /```sh\n([^]*?)```/.exec(readme.split(`## ${title}\n`)[1])[1]);
    const lines = blocks.join('').replaceAll('http://127.0.0.1:3000', url).replace('PASTE IT HERE', password);
    // Each call tells its status apart from what it answers.
    const script = `set -eu\ncurl() { command curl -w '%{stderr}%{http_code}\\n' "$@"; }\n${lines}`;
    const { status, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
    const statuses = stderr.trim().split('\n');
    assert.equal(status, 0, stderr);
    // One of the calls is made with a token that was revoked just before.
    assert.deepEqual(statuses.filter((code) => !/^2\d\d$/.test(code)), ['401']);
    assert.equal(statuses.length, (lines.match(/curl -s/g) ?? []).length);
  });
  await step('refuses a second process on the same folder', async () => {
    const second = start();
    assert.notEqual((await second.ended).code, 0);
    assert.match(second.err, new RegExp(String(first.child.pid)));
  });
  await step('keeps what it confirmed over kill -9', async () => {
    first.child.kill('SIGKILL');
    await first.ended;
    first = start();
    url = await first.listening;
    assert.doesNotMatch(first.out, /password {2}/);
    const token = await login(url, password);
    assert.equal((await ask(url, '/oauth2/introspect', { token, form: { token: secret } })).body.active, true);
  });
  await step('finishes what is under way on SIGTERM and exits 0', async () => {
    first.child.kill('SIGTERM');
    assert.deepEqual(await first.ended, { code: 0, signal: null });
  });
  console.log('smoke: the compiled service keeps its start-up contract');
} finally {
  killAll();
  rmSync(dataDir, { recursive: true, force: true });
}
