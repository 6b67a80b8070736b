import { hkdfSync } from 'node:crypto';

export interface DerivedKey {
  /** Names the key without revealing it, so that a row can say which key it was made with. */
  readonly id: string;
  readonly key: Buffer;
}

/** Keys for each purpose, derived (HKDF-SHA-256, RFC 5869) from the SECRET_KEY list: current first, then retired ones. */
export class KeyRing {
  constructor(private readonly secrets: readonly string[]) {}

  derive(purpose: string): readonly [DerivedKey, ...DerivedKey[]] {
    const [current, ...retired] = this.secrets.map((secret) => ({
      id: expand(secret, 'gatehouse:key-id', 4).toString('hex'),
      key: expand(secret, `gatehouse:${purpose}`, 32),
    }));
    if (!current) throw new Error('a key ring needs at least one key');
    return [current, ...retired];
  }
}

function expand(secret: string, info: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', info, bytes));
}
