import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyContextConfig } from 'fastify';

const FACTS = Symbol('facts of a route');

/** Tells the server something of a route; each decorator its own, where RouteConfig would replace what another has told. */
export function RouteFacts(facts: FastifyContextConfig): MethodDecorator {
  return (prototype, method, descriptor) => {
    const handler = descriptor.value as object;
    const all = { ...(Reflect.getMetadata(FACTS, handler) as FastifyContextConfig | undefined), ...facts };
    Reflect.defineMetadata(FACTS, all, handler);
    RouteConfig(all)(prototype, method, descriptor);
  };
}
