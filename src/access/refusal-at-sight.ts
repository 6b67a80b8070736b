import type { FastifyInstance, FastifyReply, FastifyRequest, preValidationHookHandler, RouteOptions } from 'fastify';
import type { DomainError } from '../kernel/failure.js';
import type { AccessGuard } from './access.guard.js';

export type AnswerRefusal = (refusal: DomainError, request: FastifyRequest, reply: FastifyReply) => void;

/**
 * Has routes that ask for a credential, registered from now on, refuse by themselves where there is none or where it can be
 * nobody's. The guard would refuse it too; before it is asked, garbage costs half as much. Bare routes ask it at once.
 */
export function refuseAtSight(server: FastifyInstance, guard: AccessGuard, answer: AnswerRefusal): void {
  const refuse: preValidationHookHandler = (request, reply, done) => {
    const refusal = guard.refusalAtSight(request);
    if (refusal) answer(refusal, request, reply);
    else done();
  };
  server.addHook('onRoute', (route: RouteOptions) => {
    if (route.config?.access && !route.config.bare) route.preValidation = [route.preValidation ?? [], refuse].flat();
  });
}
