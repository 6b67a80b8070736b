import { createHash, verify, type KeyObject } from 'node:crypto';

/** What the first link of a chain is made with in place of a hash before it. */
export const CHAIN_START: Buffer = Buffer.alloc(32);

/** What the service signs of the links from `first_sequence` to `sequence`: that it made them, and how they end. */
export interface CheckpointStatement {
  readonly type: 'checkpoint';
  readonly organization_id: string;
  readonly first_sequence: number;
  readonly sequence: number;
  /** Of the last link, hexadecimal. */
  readonly hash: string;
  readonly signed_at: string;
}

/** What the service signs at the end of an export: that nothing was cut off. */
export interface EndStatement {
  readonly type: 'end';
  readonly organization_id: string;
  readonly exported_at: string;
  readonly events: number;
  readonly checkpoints: number;
  /** Of the last link, hexadecimal. */
  readonly hash: string;
}

/** The one spelling of a JSON value (RFC 8785): members sorted by UTF-16 code units, no space, ECMAScript numbers and strings. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = value as Readonly<Record<string, unknown>>;
    return `{${Object.keys(members).sort().map((key) => `${canonicalJson(key)}:${canonicalJson(members[key])}`).join(',')}}`;
  }
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError('no JSON number');
  if (typeof value === 'string' && !value.isWellFormed()) throw new RangeError('no Unicode text');
  if (value === undefined || typeof value === 'bigint') throw new RangeError('no JSON value');
  return JSON.stringify(value);
}

/** SHA-256 over the 32 bytes of the hash before and the UTF-8 bytes of the event's canonical JSON. */
export function linkHash(previous: Buffer, event: object): Buffer {
  return createHash('sha256').update(previous).update(canonicalJson(event), 'utf8').digest();
}

/** ES256 over the canonical JSON of the statement, as 64 bytes (RFC 7518 section 3.4). */
export function isSignatureOf(statement: CheckpointStatement | EndStatement, signature: Buffer, key: KeyObject): boolean {
  return verify('sha256', Buffer.from(canonicalJson(statement)), { key, dsaEncoding: 'ieee-p1363' }, signature);
}
