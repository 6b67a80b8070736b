import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalWindows } from '../../src/kernel/limits/local-windows.js';
import { RateLimits } from '../../src/kernel/limits/rate-limits.js';
import { SharedWindows } from '../../src/kernel/limits/shared-windows.js';
import { aRedisServer, type RedisServer } from '../support/redis-server.js';
import { SettableClock } from '../support/settable-clock.js';

const QUOTA = { name: 'POST /somewhere', most: 3, seconds: 60 };

interface Replica {
  readonly limits: RateLimits;
  readonly windows: SharedWindows;
}

let redis: RedisServer;
let replicas: Replica[];
beforeEach(async () => {
  redis = await aRedisServer();
  replicas = await Promise.all([0, 1].map(async () => {
    const local = new LocalWindows(new SettableClock());
    const windows = await SharedWindows.open(redis.url, local);
    return { windows, limits: new RateLimits(local, windows) };
  }));
  for (const replica of replicas) await connected(replica, 'ready');
});
afterEach(async () => {
  for (const { windows } of replicas) windows.onApplicationShutdown();
  await redis.stop();
});

/** When the replica has heard that Redis is there, or is not any more. */
function connected({ windows }: Replica, event: 'ready' | 'close'): Promise<void> {
  const { redis: client } = windows as unknown as { redis: { status: string; once(event: string, heard: () => void): void } };
  const isSo = (): boolean => (client.status === 'ready') === (event === 'ready');
  return isSo() ? Promise.resolve() : new Promise((resolve) => client.once(event, resolve));
}

async function takeAtBoth(times: number, key = '192.0.2.1/32'): Promise<boolean[]> {
  const exceeded: boolean[] = [];
  for (let time = 0; time < times; time += 1) {
    for (const { limits } of replicas) exceeded.push((await limits.take(QUOTA, key)).exceeded);
  }
  return exceeded;
}

describe('with Redis', () => {
  it('replicas count together, in windows that Redis ends', async () => {
    expect(await takeAtBoth(2)).toEqual([false, false, false, true]);
    expect(await takeAtBoth(1, '192.0.2.2/32')).toEqual([false, false]);
    expect(redis.counted.slice(0, 3)).toEqual(['set gatehouse:limit:POST /somewhere 192.0.2.1/32 0 EX 60 NX', 'incr gatehouse:limit:POST /somewhere 192.0.2.1/32', 'pttl gatehouse:limit:POST /somewhere 192.0.2.1/32']);
    expect(await replicas[0]?.limits.take(QUOTA, 'x')).toEqual({ quota: QUOTA, remaining: 2, resetSeconds: 30, exceeded: false });
  });

  it('every replica keeps the limit by itself while Redis is gone, and they count together again when it is back', async () => {
    await takeAtBoth(1);
    await redis.stop();
    for (const replica of replicas) await connected(replica, 'close');
    expect(await takeAtBoth(4)).toEqual([false, false, false, false, false, false, true, true]);
    await redis.open();
    for (const replica of replicas) await connected(replica, 'ready');
    expect(await takeAtBoth(1)).toEqual([false, true]);
  });

  it('what is counted here counts here alone, and is never asked of Redis', () => {
    const [one, other] = replicas;
    for (let time = 0; time < 3; time += 1) one?.limits.takeHere(QUOTA, 'x');
    expect(() => one?.limits.requireLeftHere(QUOTA, 'x')).toThrow('Too many requests');
    expect(() => other?.limits.requireLeftHere(QUOTA, 'x')).not.toThrow();
    expect(redis.counted).toEqual([]);
  });
});
