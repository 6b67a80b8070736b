import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { map, type Observable } from 'rxjs';
import { toPrettyProtoJson, toProtoJson } from './proto-json.js';

const PRETTY_TYPE = 'application/json+pretty';

/** Writes what a route answers as gRPC's gateway would; `?pretty`, or asking for that media type, indents it. */
@Injectable()
export class FliptEncoding implements NestInterceptor<object, Buffer> {
  intercept(context: ExecutionContext, next: CallHandler<object>): Observable<Buffer> {
    const http = context.switchToHttp();
    return next.handle().pipe(map((message) => encode(message, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>())));
  }
}

/** The body of this answer, whose content type is set. */
export function encode(message: object, request: FastifyRequest, reply: FastifyReply): Buffer {
  reply.header('content-type', 'application/json');
  // As bytes: Fastify would add a charset to the content type of text.
  return Buffer.from(wantsPretty(request) ? toPrettyProtoJson(message) : toProtoJson(message));
}

function wantsPretty({ query, headers }: FastifyRequest): boolean {
  return Object.hasOwn(query as object, 'pretty') || (headers.accept ?? '').includes(PRETTY_TYPE);
}
