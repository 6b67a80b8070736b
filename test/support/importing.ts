import { createHash, randomBytes } from 'node:crypto';
import { importCommand } from '../../src/import/import-command.js';
import type { Source } from '../../src/import/source.js';
import { PASSWORD, type TestTenant } from './builders.js';

export interface Run {
  readonly status: 0 | 1 | 2;
  /** What it reports, and what it says of its progress and its failure. */
  readonly said: string;
  readonly complained: string;
}

/** One run of `npm run import:…` with these words and this environment. */
export async function run(source: Source, words: readonly string[], environment: NodeJS.ProcessEnv): Promise<Run> {
  let [said, complained] = ['', ''];
  const status = await importCommand(source, words, environment, (text) => void (said += text), (text) => void (complained += text));
  return { status, said, complained };
}

export const loginOf = ({ admin }: TestTenant): NodeJS.ProcessEnv => ({ GATEHOUSE_EMAIL: admin.email, GATEHOUSE_PASSWORD: PASSWORD });

/** A secret as Flipt draws it. */
export const aFliptSecret = (): string => `${randomBytes(32).toString('base64url')}=`;
/** As Flipt stores it, and Unleash one of its second kind. */
export const stored = (secret: string): string => `${createHash('sha256').update(secret).digest('base64url')}=`;

/** Flipt's table, for SQLite and for PostgreSQL. */
export const FLIPT_TABLE = `CREATE TABLE authentications (
  id VARCHAR(255) PRIMARY KEY, hashed_client_token VARCHAR(255) NOT NULL UNIQUE, method INTEGER NOT NULL DEFAULT 0, metadata TEXT,
  expires_at TIMESTAMP, created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)`;

export interface FliptRow {
  readonly id: string;
  readonly secret: string;
  readonly method: number;
  readonly metadata: string | null;
  /** As the driver of its SQLite writes it. */
  readonly expiresAt: string | null;
}

export function aFliptRow(metadata: Record<string, string> | string | null = {}, { expiresAt = null, method = 1 }: Partial<FliptRow> = {}): FliptRow {
  return { id: crypto.randomUUID(), secret: aFliptSecret(), method, expiresAt, metadata: typeof metadata === 'string' || metadata === null ? metadata : JSON.stringify(metadata) };
}

export const named = (name: string, more: Record<string, string> = {}): Record<string, string> => ({ 'io.flipt.auth.token.name': name, ...more });
export const inNamespace = (namespace: string): Record<string, string> => ({ 'io.flipt.auth.token.namespace': namespace });

/** What must never be printed of a secret. */
export const tracesOf = (secret: string): string[] => [secret, stored(secret), createHash('sha256').update(secret).digest('hex')].map((trace) => trace.slice(0, 20));
