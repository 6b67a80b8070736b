import { applyDecorators, Header } from '@nestjs/common';

/** Lets browsers on any page read the answer: a frontend token is no secret to the page that carries it. */
export const ANY_ORIGIN: Readonly<Record<string, string>> = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'ETag' };

export function AnyOrigin(): MethodDecorator {
  return applyDecorators(...Object.entries(ANY_ORIGIN).map(([name, value]) => Header(name, value)));
}
