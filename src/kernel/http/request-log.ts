import type { FastifyInstance } from 'fastify';
import { pathOf } from './request.js';

/** One line a request, of these paths only for those that fail; the route's pattern, never its URL: a path may carry a secret. */
export function logRequests(server: FastifyInstance, quietPaths: ReadonlySet<string>): void {
  server.addHook('onResponse', (request, reply, done) => {
    const isQuiet = quietPaths.has(pathOf(request.url));
    if (!isQuiet || reply.statusCode >= 400) {
      request.log.info({
        ...(isQuiet && { reqId: request.id }),
        method: request.method,
        route: request.routeOptions.url ?? 'none',
        status: reply.statusCode,
        durationMs: Math.round(reply.elapsedTime * 10) / 10,
      });
    }
    done();
  });
}
