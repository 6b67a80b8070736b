import type { IncomingHttpHeaders } from 'node:http';

export interface ClientIdAndSecret {
  readonly clientId: string;
  readonly secret: string;
}

/** RFC 6749 section 2.3.1: both parts are form-urlencoded before they are joined. Null where the scheme is another. */
export function basicCredentials({ authorization = '' }: IncomingHttpHeaders): ClientIdAndSecret | 'malformed' | null {
  if (!/^basic /i.test(authorization)) return null;
  const encoded = /^basic +([0-9A-Za-z+/]+=*) *$/i.exec(authorization)?.[1];
  const [, id, secret] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded ?? '', 'base64').toString('utf8')) ?? [];
  if (id === undefined || secret === undefined) return 'malformed';
  try {
    return { clientId: fromForm(id), secret: fromForm(secret) };
  } catch {
    return 'malformed';
  }
}

function fromForm(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}
