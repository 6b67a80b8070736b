// Boots the compiled service as a process, on the embedded database, and holds it to the start-up contract.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const main = new URL('../dist/main.js', import.meta.url).pathname;
const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-smoke-'));
const children = [];

function start(environment = {}) {
  const child = spawn(process.execPath, [main], { env: { PATH: process.env.PATH, DATA_DIR: dataDir, PORT: '0', ...environment }, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  const run = { child, out: '', err: '' };
  run.ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
  run.listening = new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      run.out += chunk;
      const url = /listens on (http:\S+)/.exec(run.out)?.[1];
      if (url) resolve(url);
    });
    child.stderr.on('data', (chunk) => (run.err += chunk));
    run.ended.then(({ code }) => reject(new Error(`exited with ${code} before it listened:\n${run.out}${run.err}`)));
  });
  run.listening.catch(() => undefined);
  return run;
}

async function ask(url, path, { token, json, form } = {}) {
  const response = await fetch(url + path, {
    method: json || form ? 'POST' : 'GET',
    headers: { ...(token && { authorization: `Bearer ${token}` }), ...(json && { 'content-type': 'application/json' }) },
    body: json ? JSON.stringify(json) : form && new URLSearchParams(form),
  });
  return { status: response.status, body: await response.json() };
}

async function step(name, work) {
  const begun = performance.now();
  await work();
  console.log(`  ok  ${name} (${Math.round(performance.now() - begun)} ms)`);
}

const login = async (url, password) => (await ask(url, '/auth/login', { json: { email: 'admin@localhost', password } })).body.access_token;

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
  for (const child of children) child.kill('SIGKILL');
  rmSync(dataDir, { recursive: true, force: true });
}
