import { createHash } from 'node:crypto';
import bcrypt from 'bcrypt';

/** Hashes and checks passwords with bcrypt; at its cost of 12 that takes about 0.3 s. */
export class Passwords {
  /** A hash of no password: comparing with it takes as long as with a real one. */
  private readonly nobody: Promise<string>;

  constructor(private readonly cost = 12) {
    this.nobody = bcrypt.hash('', cost);
  }

  hash(password: string): Promise<string> {
    return bcrypt.hash(digest(password), this.cost);
  }

  /** Takes the same time whether or not there is a hash to compare with. */
  async matches(password: string, hash: string | null): Promise<boolean> {
    const equal = await bcrypt.compare(digest(password), hash ?? (await this.nobody));
    return equal && hash !== null;
  }
}

/** bcrypt reads 72 bytes and stops at NUL; the digest before it makes every byte of the NFC form count. */
function digest(password: string): string {
  return createHash('sha256').update(password.normalize('NFC')).digest('base64');
}
