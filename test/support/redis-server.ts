import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';

export interface RedisServer {
  readonly url: string;
  /** Commands it has been sent in transactions. */
  readonly counted: readonly string[];
  /** Ends every connection and takes no more, until it is opened again at the same address. */
  stop(): Promise<void>;
  open(): Promise<void>;
}

/** As much of Redis as counting takes, on loopback: SET NX, INCR and PTTL in transactions. Time does not pass in it. */
export async function aRedisServer(): Promise<RedisServer> {
  const values = new Map<string, number>();
  const counted: string[] = [];
  const sockets = new Set<Socket>();
  let port = 0;

  const run = ([name = '', key = '', , , seconds]: readonly string[]): string => {
    if (name === 'SET') {
      if (values.has(key)) return '$-1\r\n';
      values.set(key, 0);
      return seconds === undefined ? '-ERR no expiry\r\n' : '+OK\r\n';
    }
    if (name === 'INCR') {
      values.set(key, (values.get(key) ?? 0) + 1);
      return `:${values.get(key)}\r\n`;
    }
    return name === 'PTTL' ? ':30000\r\n' : '+OK\r\n';
  };

  const server = createServer((socket) => {
    sockets.add(socket);
    let rest = '';
    let queued: string[][] | null = null;
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    socket.on('data', (bytes) => {
      const [commands, unread] = read(rest + bytes.toString());
      rest = unread;
      for (const command of commands) {
        const name = (command[0] ?? '').toUpperCase();
        if (name === 'MULTI') {
          queued = [];
          socket.write('+OK\r\n');
        } else if (name === 'EXEC') {
          const answers = (queued ?? []).map((each) => run([(each[0] ?? '').toUpperCase(), ...each.slice(1)]));
          counted.push(...(queued ?? []).map((each) => each.join(' ')));
          queued = null;
          socket.write(`*${answers.length}\r\n${answers.join('')}`);
        } else if (queued) {
          queued.push(command);
          socket.write('+QUEUED\r\n');
        } else socket.write(name === 'INFO' ? '$9\r\nloading:0\r\n' : '+OK\r\n');
      }
    });
  });

  const open = async (): Promise<void> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  };
  await open();
  return {
    get url() {
      return `redis://127.0.0.1:${port}`;
    },
    counted,
    open,
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** The complete commands at the beginning of what was received (RESP arrays of bulk strings), and what is left of it. */
function read(received: string): [commands: string[][], rest: string] {
  const commands: string[][] = [];
  let rest = received;
  for (;;) {
    const lines = rest.split('\r\n');
    const parts = Number(lines[0]?.slice(1));
    if (!rest.startsWith('*') || lines.length < 2 * parts + 2) return [commands, rest];
    commands.push(lines.slice(1, 2 * parts + 1).filter((_, index) => index % 2 === 1));
    rest = lines.slice(2 * parts + 1).join('\r\n');
  }
}
