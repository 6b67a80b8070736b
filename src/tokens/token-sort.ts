/**
 * What lists of tokens can be sorted by; each has its index. CASE instead of coalesce: row-level security lets no other
 * expression be answered by an index. Tokens that never expire come after all others, those never used before them.
 */
export const SORT_KEYS = {
  createdAt: { sql: 't.created_at', type: 'timestamptz' },
  expiresAt: { sql: `(CASE WHEN t.expires_at IS NULL THEN timestamptz 'infinity' ELSE t.expires_at END)`, type: 'timestamptz' },
  lastUsedAt: { sql: `(CASE WHEN t.last_used_at IS NULL THEN timestamptz '-infinity' ELSE t.last_used_at END)`, type: 'timestamptz' },
  name: { sql: 't.name_key', type: 'text' },
} as const;

export interface TokenSort {
  readonly key: keyof typeof SORT_KEYS;
  readonly descending: boolean;
}

/** Behind a token in a list: its sort key as the database writes it, and its id. */
export interface TokenPlace {
  readonly key: string;
  readonly id: string;
}

export function orderBy({ key, descending }: TokenSort): string {
  const direction = descending ? 'DESC' : 'ASC';
  return `ORDER BY ${SORT_KEYS[key].sql} ${direction}, t.id ${direction}`;
}

export function placeOf({ sort_key: key, id }: { readonly sort_key: string; readonly id: string }): TokenPlace {
  return { key, id };
}
