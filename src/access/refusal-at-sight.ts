import type { FastifyInstance, preValidationHookHandler, RouteOptions } from 'fastify';
import type { AnswerFailure } from '../kernel/http/bare.js';
import type { AccessGuard } from './access.guard.js';

/**
 * Has routes that ask for a credential, registered from now on, refuse by themselves where there is none or where it can be
 * nobody's. The guard would refuse it too; before it is asked, garbage costs half as much. Bare routes ask it at once.
 */
export function refuseAtSight(server: FastifyInstance, guard: AccessGuard, answer: AnswerFailure): void {
  const refuse: preValidationHookHandler = (request, reply, done) => {
    const refusal = guard.refusalAtSight(request);
    if (refusal) answer(refusal, request, reply);
    else done();
  };
  server.addHook('onRoute', (route: RouteOptions) => {
    if (route.config?.access && !route.config.bare) route.preValidation = [route.preValidation ?? [], refuse].flat();
  });
}
