import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { Invalidations } from '../database/invalidations.js';

/**
 * Nobody waits for a database that does not answer: within about a second the request is refused as an outage, whatever
 * its handler still waits for. What takes its time while the database answers may take it.
 */
@Injectable()
export class OutageInterceptor implements NestInterceptor {
  constructor(private readonly invalidations: Invalidations) {}

  intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
    return from(this.invalidations.whileReachable(lastValueFrom(next.handle(), { defaultValue: undefined })));
  }
}
