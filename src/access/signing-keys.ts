import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, type JsonWebKey, type KeyObject } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { In, IsNull } from 'typeorm';
import { Clock } from '../kernel/clock.js';
import { Database } from '../kernel/database/database.js';
import { KeyRing, type DerivedKey } from '../kernel/key-ring.js';
import { seal, unseal } from './sealed-box.js';
import { SigningKey } from './signing-key.entity.js';

const ALGORITHM = 'ES256';

interface LoadedKey {
  readonly id: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly publicJwk: JsonWebKey;
}

/** The installation's ES256 keys: private halves only sealed in the database, public halves for anyone. */
@Injectable()
export class SigningKeys implements OnModuleInit {
  /** Newest first. */
  private keys: readonly LoadedKey[] = [];
  private loading: Promise<void> | null = null;

  constructor(
    private readonly database: Database,
    private readonly ring: KeyRing,
    private readonly clock: Clock,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.load();
    if (this.keys.length > 0) return;
    await this.draw();
    await this.load();
  }

  /** The key that signs now. */
  get current(): LoadedKey {
    const [newest] = this.keys;
    if (!newest) throw new Error('there is no signing key');
    return newest;
  }

  /** The public key of this id; looks again in the database for one that another replica drew. */
  async publicKey(id: string): Promise<KeyObject | null> {
    const known = this.keys.find((key) => key.id === id);
    if (known) return known.publicKey;
    if (!/^[\w-]{16}$/.test(id)) return null;
    this.loading ??= this.load().finally(() => (this.loading = null));
    await this.loading;
    return this.keys.find((key) => key.id === id)?.publicKey ?? null;
  }

  /** The key set of RFC 7517; it holds no private member. */
  get jwks(): { keys: JsonWebKey[] } {
    return { keys: this.keys.map(toJwk) };
  }

  /** Signs text with the key that signs now: ES256, 64 bytes (RFC 7518 section 3.4). */
  sign(text: string): { keyId: string; signature: Buffer } {
    const { id, privateKey } = this.current;
    return { keyId: id, signature: sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }) };
  }

  /**
   * The public halves of these keys, and of retired ones too. Each is made from its sealed private half, which whoever
   * may write into the database cannot forge; a key whose seal does not open is left out.
   */
  async provenJwks(ids: readonly string[]): Promise<JsonWebKey[]> {
    if (ids.length === 0) return [];
    const rows = await this.database.shared.find(SigningKey, { where: { id: In([...ids]) }, order: { createdAt: 'ASC', id: 'ASC' } });
    return rows.flatMap((row) => {
      const key = this.openOrNull(row);
      return key ? [toJwk({ id: key.id, publicJwk: key.publicKey.export({ format: 'jwk' }) })] : [];
    });
  }

  private async draw(): Promise<void> {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const id = randomBytes(12).toString('base64url');
    const [sealingKey] = this.ring.derive('signing-keys');
    await this.database.shared.insert(SigningKey, {
      id,
      algorithm: ALGORITHM,
      publicJwk: publicKey.export({ format: 'jwk' }),
      sealedPrivateKey: sealPrivateKey(sealingKey, privateKey, id),
      sealingKeyId: sealingKey.id,
      createdAt: this.clock.now(),
    });
  }

  private async load(): Promise<void> {
    const rows = await this.database.shared.find(SigningKey, { where: { retiredAt: IsNull() }, order: { createdAt: 'DESC', id: 'ASC' } });
    this.keys = rows.map((row) => this.open(row));
    for (const row of rows) await this.reseal(row);
  }

  /** Keys move to the current secret key, so that a retired one can be taken away. */
  private async reseal({ id, sealingKeyId }: SigningKey): Promise<void> {
    const [current] = this.ring.derive('signing-keys');
    const key = this.keys.find((loaded) => loaded.id === id);
    if (!key || sealingKeyId === current.id) return;
    const change = { sealedPrivateKey: sealPrivateKey(current, key.privateKey, id), sealingKeyId: current.id };
    await this.database.shared.update(SigningKey, { id, sealingKeyId }, change);
  }

  private openOrNull(row: SigningKey): LoadedKey | null {
    try {
      return this.open(row);
    } catch {
      return null;
    }
  }

  private open(row: SigningKey): LoadedKey {
    const sealingKey = this.ring.derive('signing-keys').find(({ id }) => id === row.sealingKeyId);
    if (!sealingKey) throw new Error('SECRET_KEY lacks the key that the signing keys in the database are sealed with: put the earlier one behind the current one');
    const privateKey = createPrivateKey({ key: unseal(sealingKey, row.sealedPrivateKey, row.id), format: 'der', type: 'pkcs8' });
    return { id: row.id, privateKey, publicKey: createPublicKey(privateKey), publicJwk: row.publicJwk as JsonWebKey };
  }
}

function toJwk({ id, publicJwk }: Pick<LoadedKey, 'id' | 'publicJwk'>): JsonWebKey {
  return { ...publicJwk, kid: id, alg: ALGORITHM, use: 'sig' };
}

function sealPrivateKey(sealingKey: DerivedKey, privateKey: KeyObject, id: string): Buffer {
  return seal(sealingKey, privateKey.export({ format: 'der', type: 'pkcs8' }), id);
}
