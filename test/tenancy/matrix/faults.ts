import type { FastifyRequest } from 'fastify';
import { DataSource } from 'typeorm';
import { AccessGuard } from '../../../src/access/access.guard.js';
import { findPrincipal } from '../../../src/access/principal.js';
import { DomainError } from '../../../src/kernel/failure.js';
import { theApp } from '../../support/app.js';
import type { World } from './world.js';

/** A fault in the running application. */
export interface Planted {
  /** How often what is faulty has run. */
  executed(): number;
  remove(): Promise<void>;
}

type Method = (...parameters: any[]) => any;

/** Puts a method in the place of another of this class, for every instance. */
export function replace(owner: object, method: string, make: (original: Method, count: () => void) => Method): Planted {
  const target = owner as Record<string, Method>;
  const original = target[method];
  if (!original) throw new Error(`there is no method ${method} to put a fault into`);
  let executions = 0;
  target[method] = make(original, () => (executions += 1));
  return {
    executed: () => executions,
    remove: () => {
      target[method] = original;
      return Promise.resolve();
    },
  };
}

/** Changes the text of every statement that fits, on its way to the database. */
export async function rewrite(pattern: RegExp, by: string | ((...parts: string[]) => string)): Promise<Planted> {
  const runner = (await theApp()).app.get(DataSource).createQueryRunner();
  const prototype = Object.getPrototypeOf(runner) as object;
  await runner.release();
  return replace(prototype, 'query', (original, count) => function (this: unknown, sql: string, ...rest: unknown[]) {
    const changed = sql.replace(pattern, by as string);
    if (changed !== sql) count();
    return original.call(this, changed, ...rest) as unknown;
  });
}

/** After the guard has let somebody in: what a fault makes of who they are. */
export function afterGuard(spoil: (principal: any, request: FastifyRequest) => boolean): Planted {
  return replace(AccessGuard.prototype, 'admit', (original, count) => async function (this: unknown, rule: unknown, door: unknown, request: FastifyRequest, reply: unknown) {
    await original.call(this, rule, door, request, reply);
    const principal = findPrincipal(request);
    if (principal && spoil(principal, request)) count();
  });
}

/** Whoever lacks the permission is let in all the same. */
export function unheardGuard(url: string): Planted {
  return replace(AccessGuard.prototype, 'admit', (original, count) => async function (this: unknown, rule: unknown, door: unknown, request: FastifyRequest, reply: unknown) {
    try {
      await original.call(this, rule, door, request, reply);
    } catch (error) {
      if (!(error instanceof DomainError) || error.code !== 'permission-missing' || request.routeOptions.url !== url) throw error;
      count();
    }
  });
}

/** Lets every policy of an organization's own rows through, as if there were none; call what is returned to bind them again. */
export async function withoutRowLevelSecurity({ state }: World): Promise<() => Promise<void>> {
  const policies = await state.query(`SELECT tablename, policyname, qual, with_check FROM pg_policies WHERE schemaname = 'public' AND policyname = 'own_organization'`);
  const alter = (conditions: (policy: Record<string, any>) => readonly [string, string]): Promise<unknown> =>
    state.query(`${policies.map((policy) => `ALTER POLICY ${policy['policyname']} ON ${policy['tablename']} USING (${conditions(policy)[0]}) WITH CHECK (${conditions(policy)[1]});`).join('')} SELECT 1`);
  await alter(() => ['true', 'true']);
  return async () => {
    await alter(({ qual, with_check: check }) => [qual, check ?? qual]);
  };
}
