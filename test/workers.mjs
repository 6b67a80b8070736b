// Boots the compiled service as several processes on one port, on PostgreSQL, and kills some of them.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { ask, killAll, login, start, step } from './support/compiled-service.mjs';

const server = process.env.TEST_DATABASE_URL;
const name = `gatehouse_test_${randomBytes(6).toString('hex')}`;
const database = Object.assign(new URL(server), { pathname: `/${name}` }).href;
const environment = { DATABASE_URL: database, SECRET_KEY: randomBytes(48).toString('base64'), WORKERS: '3' };

async function onServer(url, sql) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** On a connection of its own, so that any worker may get it. */
function askAnyone(url, path, { token, form }) {
  return new Promise((resolve, reject) => {
    const asked = request(url + path, { method: 'POST', agent: false, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-www-form-urlencoded' } }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode, body: text === '' ? null : JSON.parse(text) }));
    });
    asked.on('error', reject);
    asked.end(new URLSearchParams(form).toString());
  });
}

const linesOf = (run) => run.out.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
const workersOf = (run) => new Map(linesOf(run).filter(({ worker }) => worker).map(({ worker, pid }) => [worker, pid]));
const isGone = (pid) => {
  try {
    return !process.kill(pid, 0);
  } catch {
    return true;
  }
};
async function until(what, holds) {
  const begun = performance.now();
  while (!(await holds())) {
    if (performance.now() - begun > 60_000) throw new Error(`${what}: not within a minute`);
    await pause(20);
  }
}

try {
  await onServer(server, `CREATE DATABASE ${name}`);
  let run;
  let url;
  let token;
  let password;
  const introspected = (secret) => Promise.all(Array.from({ length: 24 }, async () => (await askAnyone(url, '/oauth2/introspect', { token, form: { token: secret } })).body.active));
  await step('ends with a failure where no worker can start', async () => {
    const lost = start({ ...environment, DATABASE_URL: 'postgres://postgres@127.0.0.1:1/none' });
    assert.deepEqual(await lost.ended, { code: 1, signal: null });
    assert.match(lost.err, /Gatehouse cannot run/);
  });
  await step('starts on an empty database: migrates once, draws one password, listens once', async () => {
    run = start(environment);
    url = await run.listening;
    password = /password {2}(\S+)/.exec(run.out)?.[1];
    assert.ok(password);
    for (const said of [/password {2}/g, /Applied \d+ migration/g, /Gatehouse listens on/g]) assert.equal(run.out.match(said)?.length, 1, String(said));
    assert.deepEqual(await onServer(database, 'SELECT slug FROM organizations'), [{ slug: 'default' }]);
    assert.equal((await ask(url, '/health/ready')).status, 200);
    await until('all are in the log', () => workersOf(run).size === 3);
  });
  await step('a token minted by one is live at all, and dead at all within a second of its revocation', async () => {
    token = await login(url, password);
    const { body } = await ask(url, '/user/api-tokens', { token, json: {} });
    assert.ok((await introspected(body.token)).every(Boolean));
    assert.equal((await ask(url, '/oauth2/revoke', { token, form: { token: body.token } })).status, 200);
    await pause(1000);
    assert.ok(!(await introspected(body.token)).some(Boolean));
  });
  await step('puts another in the place of one that was killed, and serves meanwhile', async () => {
    const before = workersOf(run);
    const [[victim, pid]] = before;
    process.kill(pid, 'SIGKILL');
    await until('its end is told', () => new RegExp(`Worker ${victim} \\(process ${pid}\\) ended by SIGKILL; another starts in 0.5 s`).test(run.out));
    for (let count = 0; count < 10; count += 1) assert.equal((await ask(url, '/health/ready', { headers: { connection: 'close' } })).status, 200);
    await until('another is in the log', () => [...workersOf(run).keys()].some((worker) => !before.has(worker)));
  });
  await step('lets the next one wait longer', async () => {
    const [, pid] = [...workersOf(run)].at(-1);
    await until('it is there', () => !isGone(pid));
    process.kill(pid, 'SIGKILL');
    await until('its end is told', () => /another starts in 1 s/.test(run.out));
    const count = workersOf(run).size;
    await until('another is in the log', () => workersOf(run).size > count);
  });
  await step('finishes on SIGTERM what all of them have under way, and exits 0', async () => {
    const logins = Array.from({ length: 6 }, () => ask(url, '/auth/login', { json: { email: 'admin@localhost', password }, headers: { connection: 'close' } }));
    await pause(300);
    run.child.kill('SIGTERM');
    assert.deepEqual((await Promise.all(logins)).map(({ status }) => status), [200, 200, 200, 200, 200, 200]);
    assert.deepEqual(await run.ended, { code: 0, signal: null });
    for (const pid of workersOf(run).values()) assert.ok(isGone(pid));
  });
  console.log('workers: several processes serve as one');
} finally {
  killAll();
  await onServer(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}
