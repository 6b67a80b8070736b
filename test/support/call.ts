import inject from 'light-my-request';
import { theApp } from './app.js';

export interface Answer<Body = any> {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | number | undefined>>;
  readonly text: string;
  /** Parsed JSON; null where the body is empty or no JSON. */
  readonly body: Body;
}

export interface CallOptions {
  /** Sent as `Authorization: Bearer`. */
  readonly as?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON unless it is text, which is sent as it is; a form is sent urlencoded. */
  readonly body?: unknown;
  readonly form?: Readonly<Record<string, string>>;
  readonly from?: string;
}

/** One request to the application, through all that stands behind its socket. */
export async function call<Body = any>(method: string, url: string, { as, headers = {}, body, form, from }: CallOptions = {}): Promise<Answer<Body>> {
  const { app } = await theApp();
  const json = body !== undefined && typeof body !== 'string';
  const server = app.getHttpServer();
  const response = await inject((incoming, answer) => void server.emit('request', incoming, answer), {
    method: method as 'GET',
    url,
    remoteAddress: from ?? '127.0.0.1',
    headers: {
      ...(as !== undefined && { authorization: `Bearer ${as}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(form && { 'content-type': 'application/x-www-form-urlencoded' }),
      ...headers,
    },
    payload: form ? new URLSearchParams(form).toString() : json ? JSON.stringify(body) : (body),
  });
  return { status: response.statusCode, headers: response.headers, text: response.body, body: parse<Body>(response.body) };
}

function parse<Body>(text: string): Body {
  try {
    return JSON.parse(text) as Body;
  } catch {
    return null as Body;
  }
}

export async function introspect(as: string, token: string): Promise<Record<string, any>> {
  const { status, body } = await call('POST', '/oauth2/introspect', { as, form: { token } });
  if (status !== 200) throw new Error(`introspection answered ${status}: ${JSON.stringify(body)}`);
  return body;
}
