import { maxHeaderSize, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { newRequestId } from './request.js';

const HEADERS_TOO_LONG = [431, `The request line and the headers are longer than ${maxHeaderSize / 1024} KB.`] as const;
const TOO_SLOW = [408, 'The request did not come in time.'] as const;
const NO_HTTP = [400, 'This is no HTTP request.'] as const;

/** Answers what the server cannot read as a request, so that it is no route's, as a problem document; and hangs up. */
export function answerBroken(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code !== 'ECONNRESET' && socket.writable) {
    const [status, detail] = error.code === 'HPE_HEADER_OVERFLOW' ? HEADERS_TOO_LONG : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? TOO_SLOW : NO_HTTP;
    const title = STATUS_CODES[status];
    const code = 'request-malformed';
    const body = JSON.stringify({ type: `urn:gatehouse:error:${code}`, title, status, code, detail, request_id: newRequestId() });
    const head = [`HTTP/1.1 ${status} ${title}`, 'content-type: application/problem+json; charset=utf-8', 'cache-control: no-store', `content-length: ${Buffer.byteLength(body)}`, 'connection: close'];
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  }
  socket.destroySoon();
}
