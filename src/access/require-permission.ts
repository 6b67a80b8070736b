import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiBearerAuth, ApiExtension } from '@nestjs/swagger';
import type { Permission } from '../tokens/permissions.js';

export const ACCESS = Symbol('access');

export interface AccessRule {
  readonly permission: Permission;
  /** `session`: no API token may do this, whatever it is allowed. */
  readonly credential: 'any' | 'session';
  /** Whether callers limited to projects may enter; the route then keeps them within their projects. */
  readonly limitedCallers: boolean;
}

/** States what a route asks of its caller, to the guard and in the OpenAPI document. */
export function RequirePermission(permission: Permission, options: Partial<Omit<AccessRule, 'permission'>> = {}): MethodDecorator & ClassDecorator {
  const rule: AccessRule = { permission, credential: options.credential ?? 'any', limitedCallers: options.limitedCallers ?? false };
  return applyDecorators(
    SetMetadata(ACCESS, rule),
    ApiBearerAuth('session'),
    ...(rule.credential === 'any' ? [ApiBearerAuth('token')] : []),
    ApiExtension('x-permission', permission),
  );
}

/** States that a route is open to anyone; an Authorization header sent to it is ignored. */
export function Public(): MethodDecorator & ClassDecorator {
  return applyDecorators(SetMetadata(ACCESS, 'public'), ApiExtension('x-permission', 'public'));
}
