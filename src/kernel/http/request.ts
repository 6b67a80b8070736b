import type { BareRequest } from './bare.js';
import type { Origin } from '../origin.js';
import { BASE_62, drawText } from '../random-text.js';

/** Path of a request without its query. */
export function pathOf(url: string): string {
  const end = url.indexOf('?');
  return end === -1 ? url : url.slice(0, end);
}

export function originOf(request: Pick<BareRequest, 'id' | 'ip' | 'headers'>): Origin {
  return { requestId: request.id, ip: request.ip, userAgent: request.headers['user-agent']?.slice(0, 512) ?? null };
}

/** `req-` and 14 random characters. */
export function newRequestId(): string {
  return `req-${drawText(BASE_62, 14)}`;
}
