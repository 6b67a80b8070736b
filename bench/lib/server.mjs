import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** What Linux counts CPU time in. */
const TICK_MICROSECONDS = 10_000;

const running = new Set();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stopAll().then(() => process.exit(1)));

/** A server in a process of its own, started once it says where it listens. */
export async function startServer(name, { command = process.execPath, args, env = {}, listens = /listens on (http:\S+)/, deadlineSeconds = 120, onStart = () => undefined }) {
  const child = spawn(command, args, { env: { PATH: process.env.PATH, HOME: process.env.HOME, NODE_ENV: 'production', ...env }, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  onStart(child);
  const server = {
    name,
    pid: child.pid,
    child,
    url: null,
    output: '',
    cpuMicroseconds: () => cpuMicrosecondsOf(child.pid),
    stop: async () => {
      running.delete(server);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(timer);
    },
  };
  running.add(server);
  server.url = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${name} did not start in ${deadlineSeconds} s:\n${server.output.slice(-2000)}`)), deadlineSeconds * 1000);
    const read = (chunk) => {
      if (server.url) return;
      server.output += chunk;
      const url = listens.exec(server.output)?.[1];
      if (!url) return;
      clearTimeout(timer);
      resolve(url);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}:\n${server.output.slice(-2000)}`)));
    child.once('error', reject);
  });
  return server;
}

export async function stopAll() {
  await Promise.all([...running].map((server) => server.stop()));
}

/** CPU time of a process, and of those it began, since it began. */
export function cpuMicrosecondsOf(pid) {
  return [pid, ...descendantsOf(pid)].reduce((sum, each) => sum + ticksOf(each) * TICK_MICROSECONDS, 0);
}

/** Resident memory of a process, and of those it began, in MB. */
export function residentMegabytesOf(pid) {
  const kilobytes = (each) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${each}/status`, 'utf8'))?.[1] ?? 0);
  return [pid, ...descendantsOf(pid)].reduce((sum, each) => sum + kilobytes(each), 0) / 1024;
}

function ticksOf(pid) {
  // The name of the process stands in parentheses and may hold anything.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

function descendantsOf(pid) {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number));
  return children.flatMap((child) => [child, ...descendantsOf(child)]);
}
