import type { LoggerService } from '@nestjs/common';
import type { FastifyBaseLogger } from 'fastify';

/** Nest's messages in the server's own log. */
export class NestLog implements LoggerService {
  constructor(private readonly to: FastifyBaseLogger) {}

  log(message: unknown, ...rest: unknown[]): void {
    this.to.debug(toFields(message, rest));
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.to.error(toFields(message, rest));
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.to.warn(toFields(message, rest));
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.to.debug(toFields(message, rest));
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.to.trace(toFields(message, rest));
  }
}

/** Nest hands over the message, then for errors the stack, then the context. */
function toFields(message: unknown, rest: unknown[]): Record<string, unknown> {
  const context = rest.at(-1);
  const [stack] = rest.slice(0, -1);
  const fields = typeof message === 'object' && message !== null ? (message as Record<string, unknown>) : { msg: String(message) };
  return { ...fields, ...(typeof context === 'string' && { context }), ...(typeof stack === 'string' && { stack }) };
}
