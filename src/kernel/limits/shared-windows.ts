import { Logger, type OnApplicationShutdown } from '@nestjs/common';
import type { Redis } from 'ioredis';
import type { LocalWindows, Window } from './local-windows.js';

const PREFIX = 'gatehouse:limit:';

/**
 * Counts for all replicas together where there is Redis, else in this process. While Redis does not answer each replica
 * counts by itself again: an outage neither refuses anybody nor lifts a limit.
 */
export class SharedWindows implements OnApplicationShutdown {
  private readonly logger = new Logger('Limits');
  private heard = false;

  private constructor(
    private readonly redis: Redis | null,
    private readonly local: LocalWindows,
  ) {
    redis?.on('ready', () => (this.heard = false));
    redis?.on('error', (error: Error) => this.complain(error));
  }

  static async open(redisUrl: string | null, local: LocalWindows): Promise<SharedWindows> {
    if (redisUrl === null) return new SharedWindows(null, local);
    // Loaded only where it is used.
    const { Redis } = await import('ioredis');
    return new SharedWindows(new Redis(redisUrl, { connectTimeout: 500, commandTimeout: 500, maxRetriesPerRequest: 1, enableOfflineQueue: false }), local);
  }

  onApplicationShutdown(): void {
    this.redis?.disconnect();
  }

  /** Counts one more. Never rejects. */
  count(key: string, seconds: number): Window | Promise<Window> {
    // One that is not connected answers nothing: it tries again by itself.
    return this.redis?.status === 'ready' ? this.countTogether(this.redis, key, seconds) : this.local.count(key, seconds);
  }

  private async countTogether(redis: Redis, key: string, seconds: number): Promise<Window> {
    try {
      const [, counted, left] = await this.countIn(redis, PREFIX + key, seconds);
      return { count: Number(counted), msLeft: Math.max(0, Number(left)) };
    } catch (error) {
      this.complain(error as Error);
      return this.local.count(key, seconds);
    }
  }

  private async countIn(redis: Redis, key: string, seconds: number): Promise<readonly unknown[]> {
    const results = (await redis.multi().set(key, 0, 'EX', seconds, 'NX').incr(key).pttl(key).exec()) ?? [];
    for (const [error] of results) if (error) throw error;
    if (results.length !== 3) throw new Error('the count was not made');
    return results.map(([, result]) => result);
  }

  /** Once an outage. */
  private complain({ message }: Error): void {
    if (!this.heard) this.logger.warn(`Redis does not answer; every replica counts by itself: ${message}`);
    this.heard = true;
  }
}
