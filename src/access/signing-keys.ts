import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, type JsonWebKey, type KeyObject } from 'node:crypto';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { In, Not, type EntityManager } from 'typeorm';
import { Clock } from '../kernel/clock.js';
import { Database } from '../kernel/database/database.js';
import { Invalidations } from '../kernel/database/invalidations.js';
import type { Instant } from '../kernel/instant.js';
import { KeyRing, type DerivedKey } from '../kernel/key-ring.js';
import { seal, unseal } from './sealed-box.js';
import { SigningKey } from './signing-key.entity.js';

const ALGORITHM = 'ES256';
const KEY_ID = /^[\w-]{16}$/;

/** How old the keys in memory may be before they are looked up again, though nothing was heard of other replicas. */
const REFRESH_SECONDS = 30;
const RETRY_MS = 1_000;

interface LoadedKey {
  readonly id: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly publicJwk: JsonWebKey;
  readonly activatesAt: Instant;
  readonly retiredAt: Instant | null;
}

/** The installation's ES256 keys: private halves only sealed in the database, public halves for anyone. */
@Injectable()
export class SigningKeys implements OnModuleInit {
  private readonly logger = new Logger('SigningKeys');
  /** Those that are not retired; the one that signs from the latest time on comes first. */
  private keys: readonly LoadedKey[] = [];
  private loadedAt: Instant | null = null;
  private loading: Promise<void> | null = null;
  /** How often we were told that they may have changed, and of how many of these times we know. */
  private told = 0;
  private known = 0;
  private refreshAgainAt = -Infinity;
  private lookAgainAt = -Infinity;

  constructor(
    private readonly database: Database,
    private readonly ring: KeyRing,
    private readonly clock: Clock,
    invalidations: Invalidations,
  ) {
    invalidations.subscribe((changed) => {
      if (changed !== 'everything' || !this.loadedAt) return;
      this.told += 1;
      this.inBackground(this.reloadAfresh());
    });
  }

  async onModuleInit(): Promise<void> {
    await this.load();
    if (this.keys.length === 0) {
      await this.draw(this.database.shared, this.clock.now());
      await this.load();
    }
    await this.reseal();
  }

  /** The key that signs now. */
  get current(): LoadedKey {
    this.refreshBehind();
    const now = this.clock.now();
    const key = this.liveAt(now).find(({ activatesAt }) => !now.isBefore(activatesAt));
    if (!key) throw new Error('there is no signing key');
    return key;
  }

  /**
   * The public key of this id, from when it is published until it is retired; looks again for one that another replica
   * drew, once a second however many ids nobody has.
   */
  async publicKey(id: string): Promise<KeyObject | null> {
    if (!this.find(id) && !this.excludes(id)) await this.lookAgain();
    return this.find(id)?.publicKey ?? null;
  }

  /** Whether it is known here that no key has this id. */
  excludes(id: string): boolean {
    return !this.find(id) && (!KEY_ID.test(id) || this.hasJustLooked);
  }

  /** Whether what the key of this id has signed counts now, as far as is known here: no query. */
  counts(id: string): boolean {
    return this.find(id) !== undefined;
  }

  /** The key set of RFC 7517, with keys that will sign soon; it holds no private member. */
  async jwks(): Promise<{ keys: JsonWebKey[] }> {
    if (this.isStale()) await this.reloadAfresh();
    return { keys: this.liveAt(this.clock.now()).map(toJwk) };
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

  /** Draws a key within a transaction; it is published at once and signs from the given time on. Returns its id. */
  async draw(manager: EntityManager, activatesAt: Instant): Promise<string> {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const id = randomBytes(12).toString('base64url');
    const [sealingKey] = this.ring.derive('signing-keys');
    await manager.insert(SigningKey, {
      id,
      algorithm: ALGORITHM,
      publicJwk: publicKey.export({ format: 'jwk' }),
      sealedPrivateKey: sealPrivateKey(sealingKey, privateKey, id),
      sealingKeyId: sealingKey.id,
      createdAt: this.clock.now(),
      activatesAt,
    });
    return id;
  }

  /** Looks the keys up now: what this process changed holds from the next request on. */
  async reload(): Promise<void> {
    this.loading ??= this.load().finally(() => (this.loading = null));
    await this.loading;
  }

  /** Whoever comes while somebody looks waits with them. */
  private get hasJustLooked(): boolean {
    return !this.loading && this.clock.elapsed() < this.lookAgainAt;
  }

  private async lookAgain(): Promise<void> {
    this.lookAgainAt = this.clock.elapsed() + RETRY_MS;
    try {
      await this.reload();
    } catch (error) {
      // An outage is no answer: whoever asks next must not get one either.
      this.lookAgainAt = -Infinity;
      throw error;
    }
  }

  private find(id: string): LoadedKey | undefined {
    this.refreshBehind();
    const now = this.clock.now();
    return this.keys.find((key) => key.id === id && isLiveAt(key, now));
  }

  private liveAt(now: Instant): readonly LoadedKey[] {
    return this.keys.filter((key) => isLiveAt(key, now));
  }

  private isStale(): boolean {
    return this.loadedAt === null || this.known !== this.told || this.clock.now().secondsSince(this.loadedAt) >= REFRESH_SECONDS;
  }

  /** Nobody waits for it: a key is published long before it signs. Where it fails, what comes within a second does not try again. */
  private refreshBehind(): void {
    if (!this.isStale() || this.clock.elapsed() < this.refreshAgainAt) return;
    this.refreshAgainAt = this.clock.elapsed() + RETRY_MS;
    this.inBackground(this.reloadAfresh());
  }

  /** A look that is under way may have come before what was heard. */
  private async reloadAfresh(): Promise<void> {
    await this.loading?.catch(() => undefined);
    const { told } = this;
    await this.reload();
    this.known = Math.max(this.known, told);
  }

  private inBackground(reload: Promise<void>): void {
    reload.catch((error: unknown) => this.logger.warn(`Signing keys could not be looked up: ${String(error)}`));
  }

  private async load(): Promise<void> {
    const at = this.clock.now();
    const rows = await this.database.shared
      .createQueryBuilder(SigningKey, 'k')
      .where('k.retiredAt IS NULL OR k.retiredAt > :at', { at: at.toPostgres() })
      .orderBy('k.activatesAt', 'DESC')
      .addOrderBy('k.id', 'ASC')
      .getMany();
    this.keys = rows.map((row) => this.open(row));
    this.loadedAt = at;
  }

  /** Keys move to the current secret key, retired ones too, for they prove what they signed; then the old secret key can be taken away. */
  private async reseal(): Promise<void> {
    const [current] = this.ring.derive('signing-keys');
    for (const row of await this.database.shared.findBy(SigningKey, { sealingKeyId: Not(current.id) })) {
      const key = this.openOrNull(row);
      if (!key) continue;
      const { id, sealingKeyId } = row;
      const change = { sealedPrivateKey: sealPrivateKey(current, key.privateKey, id), sealingKeyId: current.id };
      await this.database.shared.update(SigningKey, { id, sealingKeyId }, change);
    }
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
    const { id, activatesAt, retiredAt } = row;
    return { id, privateKey, publicKey: createPublicKey(privateKey), publicJwk: row.publicJwk as JsonWebKey, activatesAt, retiredAt };
  }
}

function isLiveAt({ retiredAt }: LoadedKey, now: Instant): boolean {
  return retiredAt === null || now.isBefore(retiredAt);
}

function toJwk({ id, publicJwk }: Pick<LoadedKey, 'id' | 'publicJwk'>): JsonWebKey {
  return { ...publicJwk, kid: id, alg: ALGORITHM, use: 'sig' };
}

function sealPrivateKey(sealingKey: DerivedKey, privateKey: KeyObject, id: string): Buffer {
  return seal(sealingKey, privateKey.export({ format: 'der', type: 'pkcs8' }), id);
}
