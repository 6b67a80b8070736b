import { createHmac, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { DerivedKey, KeyRing } from '../kernel/key-ring.js';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ENTROPY_BYTES = 32;
/** 62^43 > 2^256 */
const ENTROPY_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
/** Nothing longer is a secret of ours. */
export const SECRET_LENGTH_MAX = 512;
const CHECKSUMMED = /^[\x21-\x7e]*[0-9A-Za-z]{49}$/;

/** A new secret: the look before it, 256 random bits in base62, and the checksum of all that stands before it. */
export function drawSecret(prefix: string): string {
  const unchecked = prefix + toBase62(BigInt(`0x${randomBytes(ENTROPY_BYTES).toString('hex')}`), ENTROPY_LENGTH);
  return unchecked + checksumOf(unchecked);
}

/** False for text that cannot be a secret of ours; found out without a query, by anyone. */
export function hasValidChecksum(presented: string): boolean {
  if (presented.length > SECRET_LENGTH_MAX || !CHECKSUMMED.test(presented)) return false;
  return checksumOf(presented.slice(0, -CHECKSUM_LENGTH)) === presented.slice(-CHECKSUM_LENGTH);
}

/** What may be shown of a secret later: the look before it and its last four characters. */
export function hintOf(secret: string, prefix: string): string {
  return `${prefix}…${secret.slice(-4)}`;
}

/** The look before a secret, told from its hint. */
export function prefixOf(hint: string): string {
  return hint.slice(0, Math.max(0, hint.lastIndexOf('…')));
}

function checksumOf(text: string): string {
  let digits = '';
  for (let rest = crc32(text); digits.length < CHECKSUM_LENGTH; rest = Math.floor(rest / 62)) digits = (ALPHABET[rest % 62] ?? '') + digits;
  return digits;
}

function toBase62(value: bigint, length: number): string {
  let digits = '';
  for (let rest = value; rest > 0n; rest /= 62n) digits = ALPHABET[Number(rest % 62n)] + digits;
  return digits.padStart(length, '0');
}

export interface SecretHash {
  readonly hash: Buffer;
  readonly pepperId: string;
}

/** Hashes secrets with HMAC-SHA-256 under peppers that never enter the database: current first, then retired ones. */
export class SecretHasher {
  private readonly peppers: readonly [DerivedKey, ...DerivedKey[]];

  constructor(keys: KeyRing) {
    this.peppers = keys.derive('token-pepper');
  }

  /** Under the current pepper, to store. */
  hash(secret: string): SecretHash {
    return hashWith(this.peppers[0], secret);
  }

  /** Under every pepper that still verifies, to look up. */
  hashes(secret: string): readonly Buffer[] {
    return this.peppers.map((pepper) => hashWith(pepper, secret).hash);
  }

  isCurrent(pepperId: string): boolean {
    return pepperId === this.peppers[0].id;
  }
}

function hashWith({ id, key }: DerivedKey, secret: string): SecretHash {
  return { hash: createHmac('sha256', key).update(secret).digest(), pepperId: id };
}
