import { createHash } from 'node:crypto';
import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { map, type Observable } from 'rxjs';

/** Gives a JSON answer an entity tag, its own or a weak one of its text, and answers 304 to whoever has it already (RFC 9110 section 13.1.2). */
@Injectable()
export class EntityTagInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    return next.handle().pipe(
      map((body: unknown) => {
        const tag = String(reply.getHeader('etag') ?? weakTagOf(JSON.stringify(body)));
        reply.header('etag', tag);
        if (!isKnown(tag, request.headers['if-none-match'])) return body;
        reply.status(304);
        return undefined;
      }),
    );
  }
}

function weakTagOf(text: string): string {
  const digest = createHash('sha256').update(text).digest('base64url').slice(0, 27);
  return `W/"${Buffer.byteLength(text).toString(16)}-${digest}"`;
}

/** Compares weakly, as If-None-Match asks for. */
function isKnown(tag: string, known: string | undefined): boolean {
  if (known === undefined) return false;
  const bare = (text: string): string => text.trim().replace(/^W\//, '');
  return known.trim() === '*' || known.split(',').some((each) => bare(each) === bare(tag));
}
