import { applyDecorators } from '@nestjs/common';
import { ApiExtension } from '@nestjs/swagger';
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler, RouteOptions } from 'fastify';
import { RateLimited, type Allowance, type Quota, type RateLimits } from '../limits/rate-limits.js';
import { networkOf } from '../network.js';
import type { BareReply, BareRequest } from './bare.js';
import { BODY_BYTES_MAX } from './received-body.js';
import { RouteFacts } from './route-facts.js';

/** A secret may stand in a path; the longest of them must fit (with a project's key of 100 before it). */
export const PATH_PART_LENGTH_MAX = 1024;

export interface RouteLimits {
  /** Requests from one address (IPv6: from one network of 64 bits) in any minute; answered by 429 beyond. */
  readonly requestsPerMinute?: number;
  /** Instead of the usual 64 KB. */
  readonly bodyBytes?: number;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    readonly limits?: RouteLimits;
  }
}

/** Limits of one route, where the usual ones do not fit. docs/limits.md lists them. */
export function Limits(limits: RouteLimits): MethodDecorator {
  const { requestsPerMinute } = limits;
  const facts = RouteFacts({ limits });
  return requestsPerMinute === undefined ? facts : applyDecorators(facts, ApiExtension('x-requests-per-minute', requestsPerMinute));
}

/** Bytes that the body of this route may have. */
export function bodyLimitOf({ routeOptions }: BareRequest): number {
  return routeOptions.config.limits?.bodyBytes ?? BODY_BYTES_MAX;
}

/** Makes the server keep routes' limits. A route without one pays nothing. */
export function keepLimits(server: FastifyInstance, limits: RateLimits): void {
  server.addHook('onRoute', (route: RouteOptions) => {
    const { requestsPerMinute, bodyBytes } = route.config?.limits ?? {};
    if (bodyBytes !== undefined) route.bodyLimit = bodyBytes;
    if (requestsPerMinute === undefined) return;
    const quota: Quota = { name: `${String(route.method)} ${route.url}`, most: requestsPerMinute, seconds: 60 };
    const keep = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      const allowance = await limits.take(quota, networkOf(request.ip));
      tellAllowance(reply, allowance);
      if (allowance.exceeded) throw new RateLimited(allowance, 'Too many requests from this address.');
    };
    route.onRequest = [route.onRequest ?? [], keep as onRequestHookHandler].flat();
  });
}

/** As draft-ietf-httpapi-ratelimit-headers-11 has it, and as its versions up to 06 did, which most clients read. */
export function tellAllowance(reply: BareReply, { quota: { most, seconds }, remaining, resetSeconds }: Allowance): void {
  reply.header('ratelimit-policy', `"default";q=${most};w=${seconds}`);
  reply.header('ratelimit', `"default";r=${remaining};t=${resetSeconds}`);
  reply.header('ratelimit-limit', most);
  reply.header('ratelimit-remaining', remaining);
  reply.header('ratelimit-reset', resetSeconds);
}
