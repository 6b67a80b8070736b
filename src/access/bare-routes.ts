import type { Type } from '@nestjs/common';
import { RouteConfig, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod, RouteOptions } from 'fastify';
import { onceKnown } from '../kernel/at-once.js';
import type { Door } from '../kernel/http/door.js';
import { Doors } from '../kernel/http/doors.js';
import { AccessGuard } from './access.guard.js';
import { accessRuleOf, type AccessRule } from './require-permission.js';

interface BareRoute {
  readonly controller: Type;
  readonly method: string;
}

/** JSON text as it is sent; null where the handler has answered itself. */
export type BareAnswer = string | null | Promise<string | null>;
type Handler = (request: FastifyRequest, reply: FastifyReply) => BareAnswer;

/**
 * A route that is asked so often that what surrounds a handler costs more than the handler. The server itself calls the
 * method, with request and reply, after the guard's decision and nothing else: no pipe, no interceptor, no headers that
 * only browsers heed, a log line for failures alone, and no deadline but those of what it waits for. It reads its own
 * input; what it throws is answered in its dialect like everything else. Its other decorators state its access and
 * describe it, as those of any route.
 */
export function Bare(): MethodDecorator {
  return (prototype, method, descriptor) => {
    RouteConfig({ bare: { controller: prototype.constructor, method } })(prototype, method, descriptor);
  };
}

/** Has bare routes served, which are registered from now on; their paths come into `paths`. */
export function serveBareRoutes(server: FastifyInstance, app: NestFastifyApplication, paths: Set<string>): void {
  const [guard, doors] = [app.get(AccessGuard), app.get(Doors)];
  server.addHook('onRoute', (route: RouteOptions) => {
    const bare = (route.config as { bare?: BareRoute } | undefined)?.bare;
    if (!bare) return;
    const controller = app.get<Record<string, Handler>>(bare.controller, { strict: false });
    const rule = accessRuleOf(bare.controller, bare.method);
    if (!rule) throw new Error(`${bare.controller.name}.${bare.method} states no permission`);
    paths.add(route.url);
    // Nobody reads a logger of its own for each request.
    route.childLoggerFactory = (logger) => logger;
    route.handler = guarded(guard, rule, doors.at(route.url), (request, reply) => controller[bare.method]?.(request, reply) ?? null);
  });
}

function guarded(guard: AccessGuard, rule: AccessRule | 'public', door: Door, handle: Handler): RouteHandlerMethod {
  return (request, reply) => {
    const answer = onceKnown(guard.admit(rule, door, request, reply), () => handle(request, reply));
    return onceKnown(answer, (text) => send(reply, text));
  };
}

function send(reply: FastifyReply, text: string | null): void {
  if (text === null) return;
  reply.header('content-type', 'application/json; charset=utf-8');
  reply.header('x-content-type-options', 'nosniff');
  reply.send(text);
}
