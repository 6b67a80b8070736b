import type { FastifyInstance } from 'fastify';

/** One line a request, for those of quiet routes only where they fail; the route's pattern, never its URL: a path may carry a secret. */
export function logRequests(server: FastifyInstance): void {
  server.addHook('onResponse', (request, reply, done) => {
    const { bare, quiet } = request.routeOptions.config;
    if (!quiet || reply.statusCode >= 400) {
      request.log.info({
        ...(bare && { reqId: request.id }),
        method: request.method,
        route: request.routeOptions.url ?? 'none',
        status: reply.statusCode,
        durationMs: Math.round(reply.elapsedTime * 10) / 10,
      });
    }
    done();
  });
}
