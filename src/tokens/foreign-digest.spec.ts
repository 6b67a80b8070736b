import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { HASH_ALGORITHMS, readDigest } from './foreign-digest.js';

const digest = createHash('sha256').update('a secret').digest();
const [hex, base64, base64url] = [digest.toString('hex'), digest.toString('base64'), digest.toString('base64url')];

describe('readDigest', () => {
  it('reads a digest in each encoding, with padding or without, and tells them apart by their look', () => {
    for (const text of [hex, hex.toUpperCase(), base64, base64.slice(0, -1), base64url, `${base64url}=`]) expect(readDigest('sha256', text)).toEqual(digest);
    expect([readDigest('sha256-hex', hex), readDigest('sha256-base64', base64), readDigest('sha256-base64url', base64url)]).toEqual([digest, digest, digest]);
  });

  it('reads base64 and base64url where they differ', () => {
    const both = Buffer.alloc(32, 0xfb);
    expect([readDigest('sha256', both.toString('base64')), readDigest('sha256', both.toString('base64url'))]).toEqual([both, both]);
    expect([readDigest('sha256-base64url', both.toString('base64')), readDigest('sha256-base64', both.toString('base64url'))]).toEqual([null, null]);
  });

  it('takes no other length, encoding or spelling of the same bytes', () => {
    const wrong = ['', hex.slice(1), `${hex}0`, hex.slice(2), base64.slice(1), `${base64}=`, ` ${hex}`, `${hex}\n`, 'g'.repeat(64), `${'A'.repeat(42)}B`, `${'A'.repeat(42)}=`];
    for (const algorithm of HASH_ALGORITHMS) for (const text of wrong) expect(readDigest(algorithm, text)).toBeNull();
    expect(readDigest('sha256-hex', base64)).toBeNull();
    expect(readDigest('sha256-base64', hex)).toBeNull();
  });
});
