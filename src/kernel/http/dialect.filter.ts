import { Catch, HttpException, Injectable, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { toDatabaseFailure } from '../database/database-failure.js';
import { DomainError, type FailureCode } from '../failure.js';
import type { BareReply, BareRequest } from './bare.js';
import type { Failed, FailedRequest, Reply } from './door.js';
import { Doors } from './doors.js';
import { FailureWitness } from './failure-witness.js';
import { pathOf } from './request.js';
import { bodyLimitOf, PATH_PART_LENGTH_MAX } from './route-limits.js';
import { RouteTable } from './route-table.js';

const JSON_TYPE = 'application/json; charset=utf-8';

/** The one outlet of failures: whatever went wrong, wherever, is answered in the dialect of the door it was asked at. */
@Catch()
@Injectable()
export class DialectFilter implements ExceptionFilter {
  private readonly logger = new Logger('Failure');

  constructor(
    private readonly doors: Doors,
    private readonly routes: RouteTable,
    private readonly witness: FailureWitness,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  answer(error: unknown, request: BareRequest, reply: BareReply): void {
    const path = pathOf(request.url);
    const failure = this.toFailure(error, request, path);
    if (failure.code === 'internal') this.logDefect(error, request);
    const failed: FailedRequest = { id: request.id, method: request.method, path, headers: request.headers };
    if (failure.code === 'rate-limited') tellLimit(reply, failure as DomainError<'rate-limited'>);
    const answer = (): void => this.say(failure, failed, request, reply);
    const witnessed = this.witness.witness(failure, request);
    // Answered even where it could not be witnessed.
    if (witnessed) void witnessed.then(answer, answer);
    else answer();
  }

  /** Where a dialect has no words for a failure after all, that is a defect, and is answered as one. */
  private say(failure: DomainError, failed: FailedRequest, request: BareRequest, reply: BareReply): void {
    try {
      send(reply, this.replyOf(failure, failed));
    } catch (error) {
      this.logDefect(error, request);
      send(reply, this.replyOf(defect(), failed));
    }
  }

  private replyOf<Code extends FailureCode>(failure: DomainError<Code>, request: FailedRequest): Reply {
    const say = this.doors.at(request.path).replies[failure.code] as (failed: Failed<Code>, request: FailedRequest) => Reply;
    return say(failure, request);
  }

  private toFailure(error: unknown, request: BareRequest, path: string): DomainError {
    const { method } = request;
    if (error instanceof DomainError) return error as DomainError;
    if (error instanceof HttpException && error.getStatus() === 404) {
      const allowed = this.routes.methodsAt(path);
      return allowed.length === 0 || allowed.includes(method)
        ? new DomainError('route-not-found', 'Nothing is served at this path.', {})
        : new DomainError('method-not-allowed', `${method} is not served at this path.`, { allowed });
    }
    return toServerFailure(error, request) ?? toDatabaseFailure(error) ?? defect();
  }

  /** Only what cannot hold a secret: no parameters, no body, no URL. */
  private logDefect(error: unknown, request: BareRequest): void {
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
    this.logger.error({ requestId: request.id, route: request.routeOptions.url, name, message }, stack);
  }
}

function defect(): DomainError {
  return new DomainError('internal', 'Something went wrong on our side.', {});
}

/** In every dialect alike, where the route has not told more of it: draft-ietf-httpapi-ratelimit-headers-11. */
function tellLimit(reply: BareReply, { details: { limit = 'default', retryAfterSeconds } }: DomainError<'rate-limited'>): void {
  if (!reply.hasHeader('ratelimit')) reply.header('ratelimit', `"${limit}";r=0;t=${retryAfterSeconds}`);
}

/** What Fastify itself refuses before any of our code sees the request; Nest hands it on as an HttpException. */
function toServerFailure(error: unknown, request: BareRequest): DomainError | null {
  const status = error instanceof HttpException ? error.getStatus() : statusOfFastify(error);
  if (status === null || status < 400 || status >= 500) return null;
  if (status === 413) return new DomainError('body-too-large', `The request body is larger than ${bodyLimitOf(request) / 1024} KB.`, {});
  if (status === 415) return new DomainError('content-type-unsupported', 'The content type of the request is not supported.', { contentType: null, supported: [] });
  const reason = codeOf(error) === 'FST_ERR_MAX_PARAM_LENGTH' ? `a part of the path is longer than ${PATH_PART_LENGTH_MAX} characters` : 'the request line, a header or the framing of the body';
  return new DomainError('request-malformed', 'The request is malformed.', { reason });
}

function statusOfFastify(error: unknown): number | null {
  const { statusCode } = error as { statusCode?: unknown };
  return codeOf(error)?.startsWith('FST_ERR_') && typeof statusCode === 'number' ? statusCode : null;
}

function codeOf(error: unknown): string | null {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : null;
}

function send(reply: BareReply, { status, headers, body }: Reply): void {
  const stated = { ...(body !== undefined && { 'content-type': JSON_TYPE }), ...headers };
  reply.status(status);
  for (const [name, value] of Object.entries(stated)) reply.header(name, value);
  const text = body === undefined ? undefined : JSON.stringify(body);
  // As bytes where a dialect's type has no charset: Fastify would add one to text, which is sent in one piece otherwise.
  reply.send(text === undefined || stated['content-type']?.includes('charset') ? text : Buffer.from(text));
}
