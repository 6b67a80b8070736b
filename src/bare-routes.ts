import { HTTP_CODE_METADATA } from '@nestjs/common/internal';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod, RouteOptions } from 'fastify';
import { AccessGuard } from './access/access.guard.js';
import { accessRuleOf, isWritingPost } from './access/require-permission.js';
import type { KeptBody } from './idempotency/kept-answers.js';
import { hasKey, Retries } from './idempotency/retries.js';
import { onceKnown } from './kernel/at-once.js';
import { Invalidations } from './kernel/database/invalidations.js';
import { DomainError } from './kernel/failure.js';
import { sendBare, type AnswerFailure, type BareAnswer, type BareBody, type BareReply, type BareRequest, type BareRoute } from './kernel/http/bare.js';
import type { DirectLane } from './kernel/http/direct-lane.js';
import { Doors } from './kernel/http/doors.js';

type Handler<Request, Reply> = (request: Request, reply: Reply) => BareAnswer;
type Work = Handler<FastifyRequest, FastifyReply>;

/**
 * Has the server call the handlers of the bare routes that are registered from now on. Those that only read are quiet, and served
 * on the lane, too.
 */
export function serveBareRoutes(server: FastifyInstance, app: NestFastifyApplication, lane: DirectLane, answer: AnswerFailure): void {
  const [guard, doors, retries, invalidations] = [app.get(AccessGuard), app.get(Doors), app.get(Retries), app.get(Invalidations)];
  server.addHook('onRoute', (route: RouteOptions) => {
    const bare = route.config?.bare;
    if (!bare) return;
    const method = String(route.method);
    const rule = accessRuleOf(bare.controller, bare.method);
    if (!rule) throw new Error(`${bare.controller.name}.${bare.method} states no permission`);
    const door = doors.at(route.url);
    const status = statusOf(bare, method);
    const behindGuard = <Request extends BareRequest, Reply extends BareReply>(work: Handler<Request, Reply>): Handler<Request, Reply> => (request, reply) =>
      onceKnown(guard.admit(rule, door, request, reply), () => {
        reply.status(status);
        return work(request, reply);
      });
    // Nobody reads a logger of its own for each request.
    route.childLoggerFactory = (logger) => logger;
    if (isWritingPost(method, rule)) {
      route.handler = served(behindGuard(writing(retries, invalidations, handlerOf(app, bare))), answer);
      return;
    }
    const respond = behindGuard<BareRequest, BareReply>(handlerOf(app, bare));
    route.handler = served(respond, answer);
    route.config = { ...route.config, quiet: true };
    if (method === 'GET' || method === 'POST') lane.add(route.url, { method, door, facts: { url: route.url, config: route.config }, respond });
  });
}

function handlerOf<Request, Reply>(app: NestFastifyApplication, { controller, method }: BareRoute): Handler<Request, Reply> {
  const instance = app.get<Record<string, Handler<Request, Reply>>>(controller, { strict: false });
  return (request, reply) => instance[method]?.(request, reply) ?? null;
}

/** As Nest has it. */
function statusOf({ controller, method }: BareRoute, verb: string): number {
  const handler = (controller.prototype as Record<string, object>)[method];
  const stated = handler && (Reflect.getMetadata(HTTP_CODE_METADATA, handler) as number | undefined);
  return stated ?? (verb === 'POST' ? 201 : 200);
}

function served(respond: Work, answer: AnswerFailure): RouteHandlerMethod {
  return (request, reply) => {
    try {
      return onceKnown(respond(request, reply), (body) => sendBare(reply, body));
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      // At once: the way of a failure through Nest would cost more than a good answer.
      answer(error, request, reply);
    }
  };
}

/** What stands around every route that writes: it can be repeated, and nobody waits for a database that does not answer. */
function writing(retries: Retries, invalidations: Invalidations, handle: Work): Work {
  return (request, reply) => {
    const work = async (): Promise<BareBody> => handle(request, reply);
    return invalidations.whileReachable(hasKey(request) ? repeatable(retries, request, reply, work) : work());
  };
}

async function repeatable(retries: Retries, request: FastifyRequest, reply: FastifyReply, work: () => Promise<BareBody>): Promise<BareBody> {
  return toBareBody(await retries.answer(request, reply, async () => toKept(await work())));
}

function toKept(body: BareBody): KeptBody {
  if (body === null) return null;
  return typeof body === 'string' ? { json: body } : { base64: body.toString('base64') };
}

function toBareBody(kept: KeptBody): BareBody {
  if (kept === null) return null;
  return 'json' in kept ? kept.json : Buffer.from(kept.base64, 'base64');
}
