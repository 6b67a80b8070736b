import { fork } from 'node:child_process';

const WORKER = new URL('./load-worker.mjs', import.meta.url);
let requestsSent = 0;

/** The text of an HTTP/1.1 request. Ten `@` in a row become a number that no other request has. */
export function requestText({ method = 'POST', path, headers = {}, json, form }) {
  const body = json !== undefined ? JSON.stringify(json) : form !== undefined ? String(new URLSearchParams(form)) : '';
  const type = json !== undefined ? { 'content-type': 'application/json' } : form !== undefined ? { 'content-type': 'application/x-www-form-urlencoded' } : {};
  const all = { host: '127.0.0.1', ...type, ...headers, ...(method !== 'GET' && { 'content-length': Buffer.byteLength(body) }) };
  return `${method} ${path} HTTP/1.1\r\n${Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}

/**
 * Sends these requests in turn to one server on loopback for so many seconds: on each connection one after the other, or over
 * all of them so many in a second, where those for which no connection is free are left out. Answers with the throughput,
 * the latencies in milliseconds and the CPU time the server took for each answer in microseconds. An answer whose status does not
 * begin so, or that does not hold what is expected, is an error: figures of failures are no figures.
 */
export async function load(server, { requests, connections, seconds, warmupSeconds = 1, perSecond = null, expect = null, status = '2', awake = false }) {
  const { hostname: host, port } = new URL(server.url);
  const worker = fork(WORKER, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  let [before, after] = [null, null];
  const result = await new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the load on ${server.name} broke off (${code})`)));
    worker.on('message', (message) => {
      if (message.begun) before = server.cpuMicroseconds();
      if (message.ended) after = server.cpuMicroseconds();
      if (message.result) resolve(message.result);
    });
    worker.send({ host, port: Number(port), requests, connections, seconds, warmupSeconds, perSecond, expect, first: requestsSent, awake });
  });
  requestsSent = result.next;
  const failed = Object.entries(result.statuses).filter(([answered]) => !answered.startsWith(status));
  if (failed.length > 0 || result.unexpected > 0) {
    throw new Error(`${server.name} answered otherwise than expected: ${JSON.stringify(result.statuses)}, ${result.unexpected} without ${expect}\n${result.sample ?? ''}`);
  }
  if (result.answers === 0) throw new Error(`${server.name} answered nothing in ${seconds} s`);
  return {
    perSecond: result.answers / result.seconds,
    answers: result.answers,
    cpuMicroseconds: (after - before) / result.answers,
    p50: result.p50,
    p99: result.p99,
    max: result.max,
  };
}
