import type { Permission } from '../tokens/permissions.js';
import { hintOfImported } from '../tokens/token-secret.js';
import type { SourceDatabase } from './source-database.js';
import type { Source, SourceToken, Wishes } from './source.js';

const ALL = '*';
const PERMISSION: Readonly<Record<string, Permission>> = {
  client: 'project:backend:read',
  backend: 'project:backend:read',
  frontend: 'project:frontend:read',
};
/** Secrets begin with the project they were drawn for; `[]` stands for several, `*` for all. */
const OF_SOME = /^(?!\*:)[^:]+:/;

/** Tokens of the one table and their links to projects in the other, whose key is the first's. */
const tokensOf = (table: string, links: string, key: string): string =>
  `SELECT t.*, to_char(t.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ends_at,
      ARRAY(SELECT l.project::text FROM ${links} l WHERE l.${key} = t.${key} ORDER BY l.project) AS projects
    FROM ${table} t ORDER BY t.created_at, t.${key}`;

/** Unleash 4.22 and later: the table `api_tokens` and, where it stores them securely, `api_tokens_v2`, in PostgreSQL. */
export const UNLEASH: Source = {
  product: 'Unleash',
  from: 'postgres://user@host/unleash',
  read: async ({ dialect, all }, wishes) => {
    if (dialect !== 'postgres') throw new Error('--from: Unleash keeps its tokens in PostgreSQL');
    const plain = await all(tokensOf('api_tokens', 'api_token_project', 'secret'));
    const hashed = (await isThere(all, 'api_tokens_v2')) ? await all(tokensOf('api_tokens_v2', 'api_tokens_v2_project', 'selector')) : [];
    return [...plain, ...hashed].map((row) => toUnleashToken(row, wishes));
  },
};

async function isThere(all: SourceDatabase['all'], table: string): Promise<boolean> {
  const [row] = await all(`SELECT to_regclass('${table}') IS NOT NULL AS there`);
  return row?.['there'] === true;
}

function toUnleashToken(row: Record<string, unknown>, { permissions, projects, environments, unlinkedAsAllProjects }: Wishes): SourceToken {
  const [secret, selector, verifier] = ['secret', 'selector', 'verifier'].map((column) => textOf(row[column]));
  const type = String(row['type']).toLowerCase();
  const name = textOf(row['token_name']) ?? textOf(row['username']);
  const label = `${JSON.stringify(name ?? '')} (${type}, ${secret ? hintOfImported(secret) : selector})`;
  const permission = PERMISSION[type];
  if (permission === undefined) return { label, left: `tokens of the type ${type} have no counterpart; give a person or a machine a token` };
  const environment = textOf(row['environment']) ?? ALL;
  if (environment === ALL) return { label, left: 'it is of all environments, and here a token is of one' };
  const linked = row['projects'] as readonly string[];
  // Unleash lets it do everywhere what it was drawn to do in a project that is gone.
  if (linked.length === 0 && secret && OF_SOME.test(secret)) return { label, left: 'the project it was made for is gone' };
  // Of a hash nothing can be read.
  if (linked.length === 0 && !secret && !unlinkedAsAllProjects) {
    return { label, left: 'it is linked to no project, so it is of all projects or of one that is gone; --unlinked-as-all-projects takes it for the former' };
  }
  return {
    label,
    row: {
      ...(secret ? { secret, algorithm: 'plain' } : { hash: verifier ?? '', algorithm: 'sha256-base64url' }),
      kind: 'project',
      name,
      permissions: [...(permissions ?? [permission])],
      projects: linked.length === 0 || linked.includes(ALL) ? [ALL] : [...new Set(linked.map((key) => projects.get(key) ?? key))],
      environment: environments.get(environment) ?? environment,
      expires_at: textOf(row['ends_at']),
      metadata: { source: 'unleash', ...(selector && { source_id: selector }) },
    },
  };
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
