import { HTTP_CODE_METADATA } from '@nestjs/common/internal';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod, RouteOptions } from 'fastify';
import { AccessGuard } from './access/access.guard.js';
import type { AnswerRefusal } from './access/refusal-at-sight.js';
import { accessRuleOf, isWritingPost } from './access/require-permission.js';
import type { KeptBody } from './idempotency/kept-answers.js';
import { hasKey, Retries } from './idempotency/retries.js';
import { onceKnown } from './kernel/at-once.js';
import { Invalidations } from './kernel/database/invalidations.js';
import { DomainError } from './kernel/failure.js';
import type { BareAnswer, BareBody, BareRoute } from './kernel/http/bare.js';
import { Doors } from './kernel/http/doors.js';

type Handler = (request: FastifyRequest, reply: FastifyReply) => BareAnswer;
type Admission = (request: FastifyRequest, reply: FastifyReply) => void | Promise<void>;

/** Has the server call the handlers of the bare routes that are registered from now on; paths of those that only read come into `quietPaths`. */
export function serveBareRoutes(server: FastifyInstance, app: NestFastifyApplication, refuse: AnswerRefusal, quietPaths: Set<string>): void {
  const [guard, doors, retries, invalidations] = [app.get(AccessGuard), app.get(Doors), app.get(Retries), app.get(Invalidations)];
  server.addHook('onRoute', (route: RouteOptions) => {
    const bare = route.config?.bare;
    if (!bare) return;
    const method = String(route.method);
    const rule = accessRuleOf(bare.controller, bare.method);
    if (!rule) throw new Error(`${bare.controller.name}.${bare.method} states no permission`);
    const [door, handle] = [doors.at(route.url), handlerOf(app, bare)];
    const isWriting = isWritingPost(method, rule);
    route.handler = served(
      (request, reply) => guard.admit(rule, door, request, reply),
      statusOf(bare, method),
      isWriting ? writing(retries, invalidations, handle) : handle,
      refuse,
    );
    // Nobody reads a logger of its own for each request.
    route.childLoggerFactory = (logger) => logger;
    if (!isWriting) quietPaths.add(route.url);
  });
}

function handlerOf(app: NestFastifyApplication, { controller, method }: BareRoute): Handler {
  const instance = app.get<Record<string, Handler>>(controller, { strict: false });
  return (request, reply) => instance[method]?.(request, reply) ?? null;
}

/** As Nest has it. */
function statusOf({ controller, method }: BareRoute, verb: string): number {
  const handler = (controller.prototype as Record<string, object>)[method];
  const stated = handler && (Reflect.getMetadata(HTTP_CODE_METADATA, handler) as number | undefined);
  return stated ?? (verb === 'POST' ? 201 : 200);
}

function served(admit: Admission, status: number, handle: Handler, refuse: AnswerRefusal): RouteHandlerMethod {
  return (request, reply) => {
    try {
      const answer = onceKnown(admit(request, reply), () => {
        reply.status(status);
        return handle(request, reply);
      });
      return onceKnown(answer, (body) => send(reply, body));
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      // At once: the way of a failure through Nest would cost more than a good answer.
      refuse(error as DomainError, request, reply);
    }
  };
}

/** What stands around every route that writes: it can be repeated, and nobody waits for a database that does not answer. */
function writing(retries: Retries, invalidations: Invalidations, handle: Handler): Handler {
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

function send(reply: FastifyReply, body: BareBody): void {
  if (body === null) return;
  if (typeof body === 'string') reply.header('content-type', 'application/json; charset=utf-8');
  reply.header('x-content-type-options', 'nosniff');
  reply.send(body);
}
