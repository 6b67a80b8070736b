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

/** Text that stands in JSON as it is. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** The one spelling of a JSON value (RFC 8785): members sorted by UTF-16 code units, no space, ECMAScript numbers and strings. */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  let [text, comma] = ['', ''];
  if (Array.isArray(value)) {
    for (const each of value) {
      text += comma + canonicalJson(each);
      comma = ',';
    }
    return `[${text}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const members = value as Readonly<Record<string, unknown>>;
    for (const key of Object.keys(members).sort()) {
      text += `${comma}${quoted(key)}:${canonicalJson(members[key])}`;
      comma = ',';
    }
    return `{${text}}`;
  }
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError('no JSON number');
  if (value === undefined || typeof value === 'bigint') throw new RangeError('no JSON value');
  return JSON.stringify(value);
}

/** Every event is spelt once, some thirty strings each: most need no second look. */
function quoted(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw new RangeError('no Unicode text');
  return JSON.stringify(text);
}

/** SHA-256 over the 32 bytes of the hash before and the UTF-8 bytes of the event's canonical JSON. */
export function linkHash(previous: Buffer, canonicalEvent: string | Buffer): Buffer {
  return createHash('sha256').update(previous).update(canonicalEvent).digest();
}

/** ES256 over the canonical JSON of the statement, as 64 bytes (RFC 7518 section 3.4). */
export function isSignatureOf(statement: CheckpointStatement | EndStatement, signature: Buffer, key: KeyObject): boolean {
  return verify('sha256', Buffer.from(canonicalJson(statement)), { key, dsaEncoding: 'ieee-p1363' }, signature);
}
