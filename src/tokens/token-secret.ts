import { createHash, createHmac } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { DerivedKey, KeyRing } from '../kernel/key-ring.js';
import { BASE_62, drawText } from '../kernel/random-text.js';

/** 62^43 > 2^256 */
const ENTROPY_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
/** Nothing longer is a secret of ours. */
export const SECRET_LENGTH_MAX = 512;
const CHECKSUMMED = /^[\x21-\x7e]*[0-9A-Za-z]{49}$/;

/** A new secret: the look before it, more than 256 random bits in base62, and the checksum of all that stands before it. */
export function drawSecret(prefix: string): string {
  const unchecked = prefix + drawText(BASE_62, ENTROPY_LENGTH);
  return unchecked + checksumOf(unchecked);
}

/** False for text that cannot be a secret of ours; found out without a query, by anyone. */
export function hasValidChecksum(presented: string): boolean {
  if (presented.length > SECRET_LENGTH_MAX) return false;
  // First what costs less, and what nearly all that is garbage lacks.
  return checksumOf(presented.slice(0, -CHECKSUM_LENGTH)) === presented.slice(-CHECKSUM_LENGTH) && CHECKSUMMED.test(presented);
}

/** What may be shown of a secret later: the look before it and its last four characters. */
export function hintOf(secret: string, prefix: string): string {
  return `${prefix}…${secret.slice(-4)}`;
}

/** Stands for the hint of a secret that was drawn elsewhere and has not been seen. */
export const UNKNOWN_HINT = '…';
/** The last four characters of a shorter one would be too much of it. */
const TELLING_LENGTH_MIN = 24;

/** The hint of a secret that was drawn elsewhere. */
export function hintOfImported(secret: string, prefix = ''): string {
  return secret.length - prefix.length < TELLING_LENGTH_MIN ? `${prefix}${UNKNOWN_HINT}` : hintOf(secret, prefix);
}

/** The look before a secret, told from its hint. */
export function prefixOf(hint: string): string {
  return hint.slice(0, Math.max(0, hint.lastIndexOf('…')));
}

function checksumOf(text: string): string {
  let digits = '';
  for (let rest = crc32(text); digits.length < CHECKSUM_LENGTH; rest = Math.floor(rest / 62)) digits = (BASE_62[rest % 62] ?? '') + digits;
  return digits;
}

export interface SecretHash {
  readonly hash: Buffer;
  readonly pepperId: string;
}

/** What is kept of a secret. */
export interface IssuedSecret extends SecretHash {
  readonly hint: string;
}

/** SHA-256, as which other systems keep their secrets. */
export function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** Hashes secrets with HMAC-SHA-256 under peppers that never enter the database: current first, then retired ones. */
export class SecretHasher {
  private readonly peppers: readonly [DerivedKey, ...DerivedKey[]];
  private readonly importPeppers: readonly [DerivedKey, ...DerivedKey[]];

  constructor(keys: KeyRing) {
    this.peppers = keys.derive('token-pepper');
    // Keys of their own: else a string could be made to hash as the digest of another.
    this.importPeppers = keys.derive('imported-token-pepper');
  }

  /** Under the current pepper, to store. */
  hash(secret: string): SecretHash {
    return hashWith(this.peppers[0], secret);
  }

  /** Under every pepper that still verifies, to look up. */
  hashes(secret: string): readonly Buffer[] {
    return this.peppers.map((pepper) => hashWith(pepper, secret).hash);
  }

  /** Of a secret that was drawn elsewhere, by its digest: under the current pepper, to store. */
  importedHash(digest: Buffer): Buffer {
    return hashWith(this.importPeppers[0], digest).hash;
  }

  /** The same under every pepper that still verifies, to look up. */
  importedHashes(digest: Buffer): readonly Buffer[] {
    return this.importPeppers.map((pepper) => hashWith(pepper, digest).hash);
  }

  isCurrent(pepperId: string): boolean {
    return pepperId === this.peppers[0].id;
  }
}

function hashWith({ id, key }: DerivedKey, value: string | Buffer): SecretHash {
  return { hash: createHmac('sha256', key).update(value).digest(), pepperId: id };
}
