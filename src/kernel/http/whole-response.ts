import { ServerResponse, type IncomingMessage } from 'node:http';

type Send = (piece: string | Uint8Array, encoding?: BufferEncoding | null, sent?: (() => void) | null, bytes?: number) => boolean;

/** Of Node's own, undocumented; where a later Node does without them, answers go out as it sends them. */
interface Inner {
  readonly _headerSent?: boolean;
}
const { _send: send } = ServerResponse.prototype as unknown as { _send: Send };

/**
 * An answer whose head and body are written as one piece. Node sets an empty piece behind them to learn when they are out,
 * and a list of pieces takes it another way to the socket, which costs as much as a sixth of a small answer.
 */
export class WholeResponse<Request extends IncomingMessage = IncomingMessage> extends ServerResponse<Request> {
  _send(...[piece, encoding, sent, bytes]: Parameters<Send>): boolean {
    const { socket } = this;
    // Who does not read gets no further answers until the last is out: that is Node's to wait for.
    const isReading = socket !== null && socket.writable && !socket.writableNeedDrain;
    const isWhole = (this as Inner)._headerSent === true && isReading && socket.writableCorked > 0;
    if (piece !== '' || !sent || !isWhole) return send.call(this, piece, encoding, sent, bytes);
    process.nextTick(sent);
    return true;
  }
}
