// Sends requests over keep-alive connections, one at a time on each, and tells how they were answered. It runs in a process of
// its own and does as little as it can: what measures must not cost more than what is measured.
import { createConnection } from 'node:net';

/** Ten of these in a request become a number that no other request has. */
const COUNTER = '@'.repeat(10);

process.once('message', async (job) => {
  process.send({ result: await run(job) });
  process.disconnect();
});

async function run({ host, port, requests, connections, warmupSeconds, seconds, perSecond, expect, first, awake }) {
  const templates = requests.map((text) => (text.includes(COUNTER) ? text : Buffer.from(text)));
  const expected = expect === null ? null : Buffer.from(expect);
  const tally = { statuses: {}, unexpected: 0, sample: null, latencies: [], bytes: 0 };
  // Where a rate is given: how each connection that waits for nothing sends its next request.
  const free = [];
  let [measuring, over, number] = [false, false, first];

  const next = () => {
    const template = templates[number % templates.length];
    const id = number++;
    return typeof template === 'string' ? Buffer.from(template.replace(COUNTER, String(id).padStart(10, '0'))) : template;
  };

  const connection = () =>
    new Promise((resolve, reject) => {
      const socket = createConnection({ host, port, noDelay: true });
      let [received, begun] = [null, 0];
      const send = () => {
        if (over) return void socket.end();
        begun = performance.now();
        socket.write(next());
      };
      const goOn = () => {
        if (perSecond === null || over) send();
        else free.push(send);
      };
      socket.on('connect', goOn);
      socket.on('error', reject);
      socket.on('close', () => (over ? resolve() : reject(new Error('the server closed a connection'))));
      socket.on('data', (chunk) => {
        received = received ? Buffer.concat([received, chunk]) : chunk;
        const answer = readAnswer(received);
        if (!answer) return;
        if (measuring && !over) {
          tally.latencies.push(performance.now() - begun);
          tally.statuses[answer.status] = (tally.statuses[answer.status] ?? 0) + 1;
          tally.bytes += received.length;
          if (expected && !received.includes(expected)) {
            tally.unexpected += 1;
            tally.sample ??= received.toString('latin1').slice(0, 600);
          }
        }
        received = null;
        goOn();
      });
    });

  // What cannot be sent at its time, because every connection waits for an answer, is not sent later.
  const offer = (begun, offered = 0) => {
    const due = Math.floor(((performance.now() - begun) * perSecond) / 1000);
    for (const send of free.splice(0, due - offered)) send();
    if (!over) setTimeout(offer, 1, begun, due);
    else for (const end of free.splice(0)) end();
  };
  if (perSecond !== null) offer(performance.now());

  // A server pays for waking whoever waits for its answer, the more the slower it is; nobody has to be woken who does not sleep.
  const stayAwake = () => {
    if (!over) setImmediate(stayAwake);
  };
  if (awake) stayAwake();

  const ended = Promise.all(Array.from({ length: connections }, connection));
  ended.catch(() => undefined);
  const after = (duration) => Promise.race([new Promise((resolve) => setTimeout(resolve, duration * 1000)), ended]);
  await after(warmupSeconds);
  process.send({ begun: true });
  const begun = performance.now();
  measuring = true;
  await after(seconds);
  over = true;
  const took = (performance.now() - begun) / 1000;
  process.send({ ended: true });
  await ended;
  const sorted = Float64Array.from(tally.latencies).sort();
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  return { answers: sorted.length, seconds: took, statuses: tally.statuses, unexpected: tally.unexpected, sample: tally.sample, next: number, p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** The status of a whole answer; null while more is to come. */
function readAnswer(received) {
  const headEnd = received.indexOf('\r\n\r\n');
  if (headEnd === -1) return null;
  const head = received.latin1Slice(0, headEnd);
  const status = head.slice(9, 12);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head);
  if (length) return received.length >= headEnd + 4 + Number(length[1]) ? { status } : null;
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) return received.subarray(-5).equals(LAST_CHUNK) ? { status } : null;
  return { status };
}

const LAST_CHUNK = Buffer.from('0\r\n\r\n');
