import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Receiver {
  readonly url: string;
  /** All it was sent, in order. */
  readonly received: readonly Received[];
  /** Answers this from now on; null: nothing, ever. */
  answer(status: number | null, headers?: Record<string, string>): void;
  close(): Promise<void>;
}

/** A server on loopback that a webhook can lead to; answers 204 until it is told otherwise. */
export async function aReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  let next: { status: number | null; headers: Record<string, string> } = { status: 204, headers: {} };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString() });
      if (next.status !== null) response.writeHead(next.status, next.headers).end('an answer that nobody reads');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    answer: (status, headers = {}) => (next = { status, headers }),
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve, reject) => server.close((error) => (error ? reject(error) : resolve())));
    },
  };
}
