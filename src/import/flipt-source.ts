import { metadata as judge } from '../inventory/token-change.dto.js';
import { Instant } from '../kernel/instant.js';
import type { Permission } from '../tokens/permissions.js';
import type { TokenMetadata } from '../tokens/token.js';
import type { Source, SourceToken, Wishes } from './source.js';

/** Tokens of the static method; sessions of people who logged in by another are nothing to bring along. */
const METHOD_TOKEN = 1;
const COLUMNS = {
  // A timestamp without a zone, in UTC.
  postgres: `to_char(expires_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS expires_at`,
  sqlite: 'expires_at',
};

/** What Gatehouse lets such a token do where it mints one; one limited to a namespace only says who it is. */
const PERMISSIONS: readonly Permission[] = ['auth-method:token:read', 'auth-method:token:write'];

const NAME = 'io.flipt.auth.token.name';
const DESCRIPTION = 'io.flipt.auth.token.description';
const NAMESPACE = 'io.flipt.auth.token.namespace';

/** Flipt 1.x: the table `authentications`, in PostgreSQL or SQLite. */
export const FLIPT: Source = {
  product: 'Flipt',
  from: 'postgres://user@host/flipt, or the path of an SQLite file such as /var/opt/flipt/flipt.db',
  read: async ({ dialect, all }, wishes) => {
    const rows = await all(`SELECT id, hashed_client_token, metadata, ${COLUMNS[dialect]} FROM authentications WHERE method = ${METHOD_TOKEN} ORDER BY created_at, id`);
    return rows.map((row) => toFliptToken(row, wishes));
  },
};

function toFliptToken({ id, hashed_client_token: hash, metadata, expires_at: end }: Record<string, unknown>, { permissions, projects }: Wishes): SourceToken {
  const told = readMetadata(metadata);
  if (!told) return { label: String(id), left: 'its metadata is no JSON object' };
  const { [NAME]: name = '', [DESCRIPTION]: description = '', [NAMESPACE]: scope = '', ...others } = told;
  const namespace = String(scope ?? '').trim();
  const label = `${String(id)} ${JSON.stringify(name)}`;
  const expiresAt = typeof end === 'string' ? Instant.parse(end) : null;
  if (end !== null && !expiresAt) return { label, left: 'its expires_at is no time' };
  return {
    label,
    row: {
      hash: String(hash),
      algorithm: 'sha256-base64url',
      kind: 'auth-method',
      name: String(name ?? '') || null,
      description: String(description ?? '') || null,
      permissions: [...(permissions ?? (namespace ? [] : PERMISSIONS))],
      ...(namespace && { projects: [projects.get(namespace) ?? namespace] }),
      expires_at: expiresAt?.toRfc3339() ?? null,
      metadata: keepable({ source: 'flipt', source_id: String(id) }, others),
    },
  };
}

function readMetadata(text: unknown): TokenMetadata | null {
  if (text === null || text === '') return {};
  try {
    const read: unknown = typeof text === 'string' ? JSON.parse(text) : text;
    return typeof read === 'object' && !Array.isArray(read) ? ((read ?? {}) as TokenMetadata) : null;
  } catch {
    return null;
  }
}

/** Of what else was written beside a token, as much as can be written beside one here. */
function keepable(ours: TokenMetadata, theirs: TokenMetadata): TokenMetadata {
  return Object.entries(theirs).reduce<TokenMetadata>((kept, [key, value]) => {
    const more = { [key]: value, ...kept };
    return [judge(more, {}) ?? []].flat().length === 0 ? more : kept;
  }, ours);
}
