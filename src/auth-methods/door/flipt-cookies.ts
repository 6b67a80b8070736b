import type { IncomingHttpHeaders } from 'node:http';

const CLIENT_TOKEN = 'flipt_client_token';

/** Tells a browser to forget the session at this door, in the order Flipt sends it. */
export const CLEARED_COOKIES: readonly string[] = ['flipt_client_state', CLIENT_TOKEN].map((name) => `${name}=; Path=/; Max-Age=0`);

/**
 * The client token a browser sends as a cookie, the first where there are several; null where there is none, or
 * where another site made the browser send it.
 */
export function clientTokenCookie(headers: IncomingHttpHeaders): string | null {
  const site = headers['sec-fetch-site'];
  if (site === 'cross-site' || site === 'same-site') return null;
  const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim());
  const found = pairs.find((pair) => pair.startsWith(`${CLIENT_TOKEN}=`));
  return found?.slice(CLIENT_TOKEN.length + 1).replace(/^"(.*)"$/, '$1') ?? null;
}
