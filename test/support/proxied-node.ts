import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createApplication } from '../../src/application.js';
import { openServer } from '../../src/kernel/database/open-database.js';
import { PUBLIC_URL, SECRET_KEY } from './app.js';
import { SettableClock } from './settable-clock.js';
import { TcpProxy } from './tcp-proxy.js';

export interface ProxiedNode {
  readonly app: NestFastifyApplication;
  readonly clock: SettableClock;
  /** Its way to the database, and that of its listening connection alone. */
  readonly proxy: TcpProxy;
  readonly bus: TcpProxy;
  close(): Promise<void>;
}

/** One replica of several on the database at this URL, which a test can cut off. */
export async function aProxiedNode(databaseUrl: string): Promise<ProxiedNode> {
  const target = new URL(databaseUrl);
  const [proxy, bus] = [await TcpProxy.to(target), await TcpProxy.to(target)];
  const [database, listening] = [await openServer(proxy.urlOf(target)), await openServer(bus.urlOf(target))];
  const clock = new SettableClock();
  const app = await createApplication({
    config: { logLevel: 'silent', publicUrl: PUBLIC_URL, trustedProxies: [] },
    secretKeys: [SECRET_KEY],
    database: { ...database, connectListener: listening.connectListener },
    clock,
    background: false,
  });
  const close = async (): Promise<void> => {
    await app.close();
    await Promise.all([proxy.close(), bus.close()]);
  };
  return { app, clock, proxy, bus, close };
}
