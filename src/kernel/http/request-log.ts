import type { FastifyInstance } from 'fastify';
import type { Clock } from '../clock.js';
import type { BareReply, BareRequest } from './bare.js';

/** Failures that are logged one by one, in a second. */
const FAILURES_MAX = 100;
const SECOND_MS = 1_000;

/**
 * One line a request, for those of quiet routes only where they fail; the route's pattern, never its URL: a path may carry a secret.
 * What it returns is to be told of failures that the server itself does not see.
 */
export function logRequests(server: FastifyInstance, clock: Clock): (request: BareRequest, reply: BareReply) => void {
  const failures = new Failures(server, clock);
  const log = (request: BareRequest, reply: BareReply): void => {
    server.log.info({ reqId: request.id, durationMs: Math.round(reply.elapsedTime * 10) / 10, ...whatOf(request, reply) });
  };
  server.addHook('onResponse', (request, reply, done) => {
    const hasFailed = reply.statusCode >= 400;
    if (hasFailed ? failures.isOneOfFew(request, reply) : !request.routeOptions.config.quiet) log(request, reply);
    done();
  });
  server.addHook('onClose', (_, done) => {
    failures.endSecond();
    done();
  });
  return (request, reply) => {
    if (failures.isOneOfFew(request, reply)) log(request, reply);
  };
}

interface What {
  readonly method: string;
  readonly route: string;
  readonly status: number;
}

function whatOf({ method, routeOptions }: BareRequest, { statusCode }: BareReply): What {
  return { method, route: routeOptions.url ?? 'none', status: statusCode };
}

/** Anybody can make requests fail, and a line for each would cost as much as refusing it: those beyond are counted, by route and status. */
class Failures {
  private logged = 0;
  private counted = new Map<string, { readonly what: What; count: number }>();
  private endsAt = 0;
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly server: FastifyInstance,
    private readonly clock: Clock,
  ) {}

  /** Whether it gets a line of its own; else it is counted. */
  isOneOfFew(request: BareRequest, reply: BareReply): boolean {
    const now = this.clock.elapsed();
    if (now >= this.endsAt) {
      this.endSecond();
      this.endsAt = now + SECOND_MS;
    }
    this.logged += 1;
    if (this.logged <= FAILURES_MAX) return true;
    this.count(whatOf(request, reply));
    return false;
  }

  /** Says how many were only counted. */
  endSecond(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    for (const { what, count } of this.counted.values()) this.server.log.info({ ...what, more: count });
    this.counted.clear();
    this.logged = 0;
  }

  private count(what: What): void {
    const key = `${what.method} ${what.route} ${what.status}`;
    const known = this.counted.get(key);
    if (known) known.count += 1;
    else this.counted.set(key, { what, count: 1 });
    // Where no other failure comes to end the second.
    this.timer ??= setInterval(() => {
      if (this.clock.elapsed() >= this.endsAt) this.endSecond();
    }, SECOND_MS).unref();
  }
}
