import { parseCursor, toCursorText } from '../../kernel/page.js';
import type { Instant } from '../../kernel/instant.js';
import type { MintedToken, Token } from '../../tokens/token.js';
import type { MethodTokenListing, NewMethodToken, PresentedBy } from '../auth-methods.service.js';
import { FLIPT_SECRET_PREFIX } from './flipt.door.js';
import type { FliptAuthentication, FliptCreatedToken, FliptCreateToken, FliptExpireQuery, FliptExpireSelf, FliptMethodList, FliptTokenList, FliptTokenQuery } from './flipt.dto.js';
import { methodNamed } from './flipt-rules.js';
import { parseGoTime, toGoTime } from './go-time.js';

const LIMIT_DEFAULT = 25;
const LIMIT_MAX = 100;

const TOKEN_NAME = 'io.flipt.auth.token.name';
const TOKEN_DESCRIPTION = 'io.flipt.auth.token.description';
const TOKEN_NAMESPACE = 'io.flipt.auth.token.namespace';

/** What the door writes to a token to show it again. */
interface FliptAttributes {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly namespaceKey?: string;
}

type ShownToken = Pick<Token, 'id' | 'kind' | 'name' | 'description' | 'expiresAt' | 'createdAt' | 'updatedAt' | 'attributes'>;

export function toNewToken(body: FliptCreateToken): NewMethodToken {
  const namespaceKey = (body.namespaceKey === undefined ? body.namespace_key : body.namespaceKey) ?? '';
  const metadata = Object.entries(body.metadata ?? {}).map(([key, value]) => [key, value ?? '']);
  const attributes: FliptAttributes = { metadata: Object.fromEntries(metadata) as Record<string, string>, namespaceKey };
  return {
    name: body.name || null,
    description: body.description || null,
    project: namespaceKey.trim() || null,
    expiresAt: toInstant(body.expiresAt, body.expires_at),
    secretPrefix: FLIPT_SECRET_PREFIX,
    attributes: { ...attributes },
  };
}

export function toCreatedToken({ token, secret }: MintedToken): FliptCreatedToken {
  return { clientToken: secret, authentication: toAuthentication(token) };
}

export function toAuthentication(token: ShownToken): FliptAuthentication {
  return {
    id: token.id,
    method: 'METHOD_TOKEN',
    expiresAt: token.expiresAt && toGoTime(token.expiresAt),
    createdAt: toGoTime(token.createdAt),
    updatedAt: toGoTime(token.updatedAt),
    metadata: toMetadata(token),
  };
}

/** A person's session is proven by a JWT. */
export function toSelf(presented: PresentedBy): FliptAuthentication {
  if ('token' in presented) return toAuthentication(presented.token);
  const { id, expires_at, created_at, user_email, user_name } = presented.session;
  return {
    id,
    method: 'METHOD_JWT',
    expiresAt: toGoTime(expires_at),
    createdAt: toGoTime(created_at),
    updatedAt: toGoTime(created_at),
    metadata: new Map([['io.flipt.auth.jwt.email', user_email], ['io.flipt.auth.jwt.name', user_name]]),
  };
}

/** One more than the page, to know whether there is a next one; null where no token of this method can exist. */
export function toListing(query: FliptTokenQuery): MethodTokenListing | null {
  const method = methodNamed(query.method ?? 'METHOD_NONE');
  if (method !== 'METHOD_NONE' && method !== 'METHOD_TOKEN') return null;
  const pageToken = query.pageToken ?? query.page_token ?? '';
  // Flipt's own page tokens count the tokens before the page.
  const offset = /^\d{1,15}$/.test(pageToken) ? Number(pageToken) : 0;
  return { limit: toLimit(query) + 1, offset, after: parseCursor(pageToken) };
}

export function toTokenList(tokens: readonly Token[], query: FliptTokenQuery): FliptTokenList {
  const limit = toLimit(query);
  const page = tokens.slice(0, limit);
  const last = page.at(-1);
  return {
    authentications: page.map(toAuthentication),
    nextPageToken: last && tokens.length > limit ? toCursorText({ at: last.createdAt, id: last.id }) : '',
  };
}

/** Null: now. */
export function toExpiry(query: FliptExpireQuery, body: FliptExpireSelf): Instant | null {
  return toInstant(query.expiresAt, query.expires_at) ?? toInstant(body.expiresAt, body.expires_at);
}

/** In Flipt's order. Only the static method mints here; people log in at the service's own routes. */
export function toMethodList(): FliptMethodList {
  const method = (name: FliptMethodList['methods'][number]['method'], sessionCompatible: boolean) =>
    ({ method: name, enabled: name === 'METHOD_TOKEN', sessionCompatible, metadata: null });
  return {
    methods: [
      method('METHOD_TOKEN', false),
      method('METHOD_GITHUB', true),
      method('METHOD_OIDC', true),
      method('METHOD_KUBERNETES', false),
      method('METHOD_JWT', false),
      method('METHOD_CLOUD', true),
    ],
  };
}

/** None or 0 is the default; a negative number is a huge one to Flipt, which reads it without its sign. */
function toLimit({ limit = '0' }: FliptTokenQuery): number {
  const wanted = Number(limit);
  if (wanted === 0) return LIMIT_DEFAULT;
  return wanted < 0 || wanted > LIMIT_MAX ? LIMIT_MAX : wanted;
}

/** What the caller gave, overlaid by what Flipt names itself; none of it is ever enforced. */
function toMetadata({ kind, name, description, attributes }: ShownToken): ReadonlyMap<string, string> {
  const { metadata = {}, namespaceKey = '' }: FliptAttributes = kind === 'auth-method' ? attributes : {};
  const shown = new Map(Object.entries(metadata));
  shown.set(TOKEN_NAME, name ?? '');
  if (description) shown.set(TOKEN_DESCRIPTION, description);
  if (namespaceKey) shown.set(TOKEN_NAMESPACE, namespaceKey);
  return shown;
}

function toInstant(jsonName: string | null | undefined, protoName: string | null | undefined): Instant | null {
  const text = jsonName === undefined ? protoName : jsonName;
  return text === null || text === undefined ? null : parseGoTime(text);
}
