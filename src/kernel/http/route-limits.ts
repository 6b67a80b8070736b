import { RouteConfig } from '@nestjs/platform-fastify';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify';
import type { Redis } from 'ioredis';
import { DomainError } from '../failure.js';
import { BODY_BYTES_MAX } from './received-body.js';

/** A secret may stand in a path; the longest of them must fit (with a project's key of 100 before it). */
export const PATH_PART_LENGTH_MAX = 1024;

export interface RouteLimits {
  /** Requests from one address (IPv6: from one network of 64 bits) in any minute; answered by 429 beyond. */
  readonly requestsPerMinute?: number;
  /** Instead of the usual 64 KB. */
  readonly bodyBytes?: number;
}

/** Limits of one route, where the usual ones do not fit. */
export function Limits({ requestsPerMinute, bodyBytes }: RouteLimits): MethodDecorator {
  return RouteConfig({
    ...(requestsPerMinute !== undefined && { rateLimit: { max: requestsPerMinute, timeWindow: 60_000 } }),
    ...(bodyBytes !== undefined && { bodyBytes }),
  });
}

/** Bytes that the body of this route may have. */
export function bodyLimitOf(request: FastifyRequest): number {
  return (request.routeOptions.config as { bodyBytes?: number } | undefined)?.bodyBytes ?? BODY_BYTES_MAX;
}

/**
 * Makes the server keep routes' limits, counted in this process or, with Redis, by all replicas together. Answers carry
 * RateLimit headers. While Redis does not answer nobody is refused: an outage of the counter is none of the service.
 */
export async function keepLimits(server: FastifyInstance, redisUrl: string | null): Promise<void> {
  server.addHook('onRoute', (route: RouteOptions) => {
    const bytes = (route.config as { bodyBytes?: number } | undefined)?.bodyBytes;
    if (bytes !== undefined) route.bodyLimit = bytes;
  });
  const redis = redisUrl === null ? null : await openRedis(redisUrl, server);
  await server.register(rateLimit, {
    global: false,
    ipv6Subnet: 64,
    enableDraftSpec: true,
    ...(redis && { redis, nameSpace: 'gatehouse:rate:', skipOnError: true }),
    errorResponseBuilder: (_, { ttl }) =>
      new DomainError('rate-limited', 'Too many requests from this address.', { retryAfterSeconds: Math.max(1, Math.ceil(ttl / 1000)) }),
  });
}

async function openRedis(url: string, server: FastifyInstance): Promise<Redis> {
  // Loaded only where it is used.
  const { Redis } = await import('ioredis');
  const redis = new Redis(url, { connectTimeout: 500, commandTimeout: 500, maxRetriesPerRequest: 1, enableOfflineQueue: false });
  let heard = false;
  redis.on('ready', () => (heard = false));
  // Once an outage: it tries again by itself.
  redis.on('error', (error: Error) => {
    if (!heard) server.log.warn(`Redis does not answer; rate limits rest: ${error.message}`);
    heard = true;
  });
  server.addHook('onClose', () => redis.disconnect());
  return redis;
}
