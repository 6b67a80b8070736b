import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { Database } from '../kernel/database/database.js';
import { DomainError } from '../kernel/failure.js';
import type { Instant } from '../kernel/instant.js';
import { KeyRing } from '../kernel/key-ring.js';
import { Maintenance } from '../kernel/maintenance/maintenance.js';
import { networkOf } from '../kernel/network.js';
import type { Origin } from '../kernel/origin.js';
import { FailedLogins, type LoginAttempt } from './failed-logins.js';
import { toCanonicalEmail } from './users.service.js';

/** So many attempts that do not succeed, within so many seconds from the first of them; then none until they are over. */
type Allowance = readonly [attempts: number, seconds: number];

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Of one account from a network where its person has logged in before. */
const FAMILIAR: Allowance = [100, HOUR];
/** Of one account from any other network. */
const STRANGE: Allowance = [10, 15 * MINUTE];
/** The same once `STRANGE_IN_ALL` is spent: every network still has its one attempt, so the right password gets in. */
const STRANGE_UNDER_ATTACK: Allowance = [1, HOUR];
/** Of one account from all strange networks together. */
const STRANGE_IN_ALL: Allowance = [30, DAY];
/** From one network, of all accounts that are strange to it. */
const NETWORK: Allowance = [300, 15 * MINUTE];
const FAMILIAR_FOR_SECONDS = 90 * DAY;

export class TooManyAttempts extends DomainError<'rate-limited'> {
  constructor(retryAfterSeconds: number) {
    super('rate-limited', 'There were too many attempts to log in. Try again later.', { retryAfterSeconds, limit: 'login' });
  }
}

/** An attempt that may be made. It counts as failed until it is said what came of it. */
export interface AdmittedAttempt {
  /** The person has shown that they are who they say: they are familiar in this network from now on, and begin afresh. */
  succeeded(): Promise<void>;
  /** Nothing was guessed, and nobody is known better for it. */
  withdrawn(): Promise<void>;
}

interface Keys {
  readonly familiar: Buffer;
  readonly pair: Buffer;
  readonly account: Buffer;
  readonly network: Buffer;
}

/** A row of the SQL function `admit_login_attempt`. */
interface Counted {
  /** Until when the attempt is refused; null where it may be made. */
  readonly until: Instant | null;
  /** The first that is refused in this window. */
  readonly first: boolean;
  readonly of_network: boolean;
  readonly of_account: boolean;
}

/**
 * Slows down who guesses passwords, for all replicas together: per account, in whatever spelling and whether somebody
 * has it or not, and per network. Nobody locks somebody else out: other networks, and those where the person has logged
 * in before, have their own count (docs/decisions/0011).
 */
@Injectable()
export class LoginThrottle {
  private readonly secret: Buffer;

  constructor(
    private readonly database: Database,
    private readonly failures: FailedLogins,
    private readonly clock: Clock,
    keys: KeyRing,
    maintenance: Maintenance,
  ) {
    this.secret = keys.derive('login-attempts')[0].key;
    maintenance.add({ name: 'login-attempts.forget', everySeconds: 5 * MINUTE, inInstallation: (limit) => this.forgetExpired(limit) });
  }

  /**
   * To be asked before a password is compared. The attempt is counted at once, so that many at the same time are no
   * more than one after the other. Throws `TooManyAttempts`, whose first of each window is recorded.
   */
  async admit(attempt: LoginAttempt, origin: Origin): Promise<AdmittedAttempt> {
    const keys = this.keysOf(toCanonicalEmail(attempt.email), networkOf(origin.ip));
    const now = this.clock.now();
    const { until, first, of_network: ofNetwork, of_account: ofAccount } = await this.count(keys, now);
    if (until) {
      if (first) await this.failures.record(attempt, 'throttled', origin);
      throw new TooManyAttempts(Math.max(1, until.secondsSince(now) + 1));
    }
    const counted = { network: ofNetwork ? keys.network : null, account: ofAccount ? keys.account : null };
    return {
      succeeded: () => this.remember({ ...keys, ...counted }),
      withdrawn: () => this.giveBack([keys.pair, counted.network, counted.account]),
    };
  }

  private async count({ familiar, pair, network, account }: Keys, now: Instant): Promise<Counted> {
    // What else the request was to do may come to nothing; the attempt was made.
    const [counted] = await this.database.lasting(() => this.database.query<Counted>('SELECT * FROM admit_login_attempt($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)', [
      familiar, pair, network, account, now.toPostgres(), FAMILIAR, STRANGE, STRANGE_UNDER_ATTACK, NETWORK, STRANGE_IN_ALL,
    ]));
    if (!counted) throw new Error('a login attempt was not counted');
    return counted;
  }

  private async remember({ familiar, pair, network, account }: Record<keyof Keys, Buffer | null>): Promise<void> {
    await this.database.query('SELECT remember_login($1, $2, $3, $4, $5, $6)', [familiar, pair, network, account, this.clock.now().toPostgres(), FAMILIAR_FOR_SECONDS]);
  }

  private async giveBack(keys: readonly (Buffer | null)[]): Promise<void> {
    for (const key of keys) if (key) await this.database.query('SELECT return_login_attempt($1)', [key]);
  }

  private async forgetExpired(limit: number): Promise<number> {
    const forgotten = await this.database.query<object>(
      `WITH forgotten AS (
         DELETE FROM login_attempts WHERE key IN (SELECT key FROM login_attempts WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING key)
       SELECT key FROM forgotten`,
      [this.clock.now().toPostgres(), limit],
    );
    return forgotten.length;
  }

  /** Nobody reads from them who tried what from where. */
  private keysOf(account: string, network: string): Keys {
    const of = (...parts: readonly string[]): Buffer => createHmac('sha256', this.secret).update(JSON.stringify(parts)).digest();
    return { familiar: of('familiar', account, network), pair: of('pair', account, network), account: of('account', account), network: of('network', network) };
  }
}
