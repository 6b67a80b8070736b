import { inputOf } from '../kernel/http/input.pipe.js';
import { ReceivedBody } from '../kernel/http/received-body.js';
import { PresentedToken } from './introspection.dto.js';

/** What clients send: the token alone, of characters that mean themselves or are escaped, with a hint or none. */
const ALONE = /^token=((?:[\w.~*-]|%[0-9A-Fa-f]{2})+)(?:&token_type_hint=[\w.~*-]*)?$/;

/** The token of a form. The usual form is read at once; any other, and every fault, as the body of any route. */
export function presentedToken(body: unknown): string {
  const form = body instanceof ReceivedBody ? body.textOf('application/x-www-form-urlencoded') : null;
  const token = form === null ? undefined : ALONE.exec(form)?.[1];
  if (token !== undefined && !token.includes('%')) return token;
  return inputOf(PresentedToken, 'body', body).token;
}
