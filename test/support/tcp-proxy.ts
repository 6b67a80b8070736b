import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A way to a server that a test can cut: connections that are ended, or that nothing comes through any more. */
export class TcpProxy {
  private readonly pairs = new Set<readonly [Socket, Socket]>();
  private readonly lost = new WeakSet<readonly [Socket, Socket]>();
  private mode: 'open' | 'refusing' | 'silent' = 'open';

  private constructor(private readonly server: Server) {}

  static async to(target: URL): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: false });
    const proxy = new TcpProxy(server);
    server.on('connection', (near) => {
      if (proxy.mode === 'refusing') return near.resetAndDestroy();
      const far = connect(Number(target.port || 5432), target.hostname);
      const pair = [near, far] as const;
      proxy.pairs.add(pair);
      if (proxy.mode === 'silent') proxy.lost.add(pair);
      for (const [from, to] of [pair, [far, near] as const]) {
        from.on('data', (bytes) => {
          if (!proxy.lost.has(pair)) to.write(bytes);
        });
        from.on('error', () => to.destroy());
        from.on('close', () => {
          to.destroy();
          proxy.pairs.delete(pair);
        });
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  urlOf(target: URL): string {
    const url = new URL(target);
    url.hostname = '127.0.0.1';
    url.port = String((this.server.address() as AddressInfo).port);
    return url.href;
  }

  /** Ends what is connected and lets nobody connect any more. */
  refuse(): void {
    this.mode = 'refusing';
    for (const [near] of this.pairs) near.resetAndDestroy();
  }

  /** Swallows every byte from now on, in both directions. */
  silence(): void {
    this.mode = 'silent';
    for (const pair of this.pairs) this.lost.add(pair);
  }

  /** Lets connect again, as to a server that took over; on the connections of before nothing comes any more, not even their end. */
  takeOver(): void {
    this.mode = 'open';
  }

  /** Lets connect again; whatever lost bytes is ended. */
  mend(): void {
    for (const [near] of this.pairs) near.resetAndDestroy();
    this.mode = 'open';
  }

  async close(): Promise<void> {
    for (const [near, far] of this.pairs) for (const socket of [near, far]) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
