import { applyDecorators, SetMetadata, type Type } from '@nestjs/common';
import { ApiBearerAuth, ApiExtension } from '@nestjs/swagger';
import { RouteFacts } from '../kernel/http/route-facts.js';
import type { Permission } from '../tokens/permissions.js';
import type { TokenKind } from '../tokens/token.js';

export const ACCESS = Symbol('access');

/** What a caller presents: a session, or a token of some kind. */
export type CredentialKind = 'session' | TokenKind;

export interface AccessRule {
  readonly permission: Permission;
  /** `session`: no API token may do this, whatever it is allowed. A list: credentials of these kinds and no other. */
  readonly credential: 'any' | 'session' | readonly CredentialKind[];
  /** Whether callers limited to projects may enter; the route then keeps them within their projects. */
  readonly limitedCallers: boolean;
  /** Whether it creates nothing, though it is a POST that writes: an organization that creates too much must still be able to end that. */
  readonly uncounted: boolean;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    readonly access?: AccessRule;
  }
}

/** States what a route asks of its caller: to the guard, to the server and in the OpenAPI document. */
export function RequirePermission(permission: Permission, options: Partial<Omit<AccessRule, 'permission'>> = {}): MethodDecorator {
  const rule: AccessRule = { permission, credential: options.credential ?? 'any', limitedCallers: options.limitedCallers ?? false, uncounted: options.uncounted ?? false };
  return applyDecorators(
    SetMetadata(ACCESS, rule),
    RouteFacts({ access: rule }),
    ...(admits(rule, (kind) => kind === 'session') ? [ApiBearerAuth('session')] : []),
    ...(admits(rule, (kind) => kind !== 'session') ? [ApiBearerAuth('token')] : []),
    ApiExtension('x-permission', permission),
  );
}

/** What a method of a controller, or the controller for all its methods, asks of callers; undefined where nothing is stated. */
export function accessRuleOf(controller: Type, method: string): AccessRule | 'public' | undefined {
  const handler = (controller.prototype as Record<string, object>)[method];
  return [handler, controller].flatMap((place) => (place ? [Reflect.getMetadata(ACCESS, place) as AccessRule | 'public' | undefined] : [])).find((rule) => rule !== undefined);
}

/** Whether a request to a route of this rule writes something that was not there, or may: a POST whose permission is to write. */
export function isWritingPost(method: string, rule: AccessRule | 'public' | undefined): rule is AccessRule {
  return method === 'POST' && rule !== undefined && rule !== 'public' && rule.permission.endsWith(':write');
}

/** States that a route is open to anyone; an Authorization header sent to it is ignored. */
export function Public(): MethodDecorator & ClassDecorator {
  return applyDecorators(SetMetadata(ACCESS, 'public'), ApiExtension('x-permission', 'public'));
}

function admits({ credential }: AccessRule, wanted: (kind: CredentialKind) => boolean): boolean {
  return credential === 'any' || [credential].flat().some(wanted);
}
