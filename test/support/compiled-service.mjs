// The compiled service as a process, for scripts that hold it to the start-up contract.
import { spawn } from 'node:child_process';

const main = new URL('../../dist/main.js', import.meta.url).pathname;
const children = [];

/** Starts it with these variables alone; `listening` resolves to its address, or rejects with what it said when it ended. */
export function start(environment) {
  const child = spawn(process.execPath, [main], { env: { PATH: process.env.PATH, PORT: '0', ...environment }, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  const run = { child, out: '', err: '' };
  run.ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
  run.listening = new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      run.out += chunk;
      const url = /Gatehouse listens on (http:\S+)/.exec(run.out)?.[1];
      if (url) resolve(url);
    });
    child.stderr.on('data', (chunk) => (run.err += chunk));
    run.ended.then(({ code }) => reject(new Error(`exited with ${code} before it listened:\n${run.out}${run.err}`)));
  });
  run.listening.catch(() => undefined);
  return run;
}

export function killAll() {
  for (const child of children) child.kill('SIGKILL');
}

export async function ask(url, path, { token, json, form, headers } = {}) {
  const response = await fetch(url + path, {
    method: json || form ? 'POST' : 'GET',
    headers: { ...(token && { authorization: `Bearer ${token}` }), ...(json && { 'content-type': 'application/json' }), ...headers },
    body: json ? JSON.stringify(json) : form && new URLSearchParams(form),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text) };
}

export async function step(name, work) {
  const begun = performance.now();
  await work();
  console.log(`  ok  ${name} (${Math.round(performance.now() - begun)} ms)`);
}

export const login = async (url, password) => (await ask(url, '/auth/login', { json: { email: 'admin@localhost', password } })).body.access_token;
