/**
 * The life of tokens as docs/lifecycle.md and docs/rotation.md tell it, in memory and without a line of the service's
 * own code: what the service does is compared with it. Times are whole microseconds since some zero.
 */
export type Micros = number;
export const SECOND: Micros = 1_000_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export const UNDO: Micros = 60 * MINUTE;
export const RENEWAL: Micros = HOUR;
export const LONGEST_RENEWED: Micros = 2 * HOUR;
export const USES = 3;
const ALARM_EVERY: Micros = HOUR;
export const RETIRED_KNOWN: Micros = 30 * DAY;

export const DOORS = ['fynn', 'unleash', 'infisical', 'deepset', 'flipt'] as const;
export type Door = (typeof DOORS)[number];
/** `timed` machines' tokens live an hour and two at most, renewed; those of `counted` machines have three uses. */
export type Owner = 'admin' | 'member' | 'project' | 'organization' | 'timed' | 'counted';

export interface Secret {
  readonly name: string;
  readonly token: Token;
  readonly overlap: Micros | null;
  waits: boolean;
  replacedAt: Micros | null;
  /** Null: as long as its token. */
  endsAt: Micros | null;
  isExposed: boolean;
  /** Cancelled before its first use, or retired so long that it is forgotten. */
  forgotten: boolean;
}

export interface End {
  readonly at: Micros;
  readonly by: Owner | null;
  readonly reason: string;
  /** The token whose end took this one along. */
  readonly with: Token | null;
}

export interface Token {
  readonly name: string;
  readonly door: Door;
  readonly owner: Owner;
  readonly parent: Token | null;
  readonly createdAt: Micros;
  readonly createdBy: Owner;
  readonly secrets: Secret[];
  expiresAt: Micros | null;
  /** What renewal cannot go past. */
  latestEnd: Micros | null;
  uses: number;
  lastUsedAt: Micros | null;
  renewedAt: Micros | null;
  rotatedAt: Micros | null;
  alarmAt: Micros | null;
  isNarrowed: boolean;
  exposedAt: Micros | null;
  end: End | null;
}

export interface Policy {
  readonly forbidden: Door | null;
  readonly expiryRequired: boolean;
  readonly idle: Micros | null;
  readonly reuseEnds: boolean;
}

/** One change, as the record must tell of it: once. */
export interface Happening {
  readonly action: string;
  readonly token: Token;
  readonly by: Owner | null;
  readonly reason?: string;
  readonly with?: Token;
}

export type TokenState = 'active' | 'blocked' | 'expired' | 'revoked';
/** `ended`: its time was over before another could replace it; renewal sets such an end. */
export type SecretState = 'waiting' | 'current' | 'ended' | 'replaced' | 'retired' | 'forgotten';
export type Verdict = 'live' | 'unknown' | 'revoked' | 'expired' | 'replaced' | 'owner-disabled' | 'blocked' | 'uses-spent';

/** What is there, and what becomes of it by being used or as time goes by. */
export class World {
  now: Micros = 0;
  policy: Policy = { forbidden: null, expiryRequired: false, idle: null, reuseEnds: false };
  member: { role: 'ADMIN' | 'MEMBER' | 'EXTERNAL'; disabled: boolean } = { role: 'ADMIN', disabled: false };
  readonly tokens: Token[] = [];
  readonly secrets: Secret[] = [];
  readonly record: Happening[] = [];

  stateOf(token: Token): TokenState {
    if (token.end) return 'revoked';
    if (this.hasCome(token.expiresAt)) return 'expired';
    return this.isBlocked(token) ? 'blocked' : 'active';
  }

  stateOfSecret({ forgotten, waits, replacedAt, endsAt }: Secret): SecretState {
    if (forgotten) return 'forgotten';
    if (waits) return 'waiting';
    if (this.hasCome(endsAt)) return replacedAt === null ? 'ended' : 'retired';
    return replacedAt === null ? 'current' : 'replaced';
  }

  verdictOf(secret: Secret): Verdict {
    const { token } = secret;
    if (secret.forgotten) return 'unknown';
    if (token.end) return 'revoked';
    if (this.hasCome(token.expiresAt)) return 'expired';
    if (this.hasCome(secret.endsAt)) return secret.replacedAt === null ? 'expired' : 'replaced';
    return this.obstacleOf(token) ?? 'live';
  }

  /** What keeps a token that has not ended from working, whatever its secret; null where nothing does. */
  obstacleOf(token: Token): 'owner-disabled' | 'blocked' | 'uses-spent' | null {
    if (token.owner === 'member' && this.member.disabled) return 'owner-disabled';
    if (this.isBlocked(token)) return 'blocked';
    return token.owner === 'counted' && token.uses >= USES ? 'uses-spent' : null;
  }

  isUsable(token: Token): boolean {
    return !token.end && !this.hasCome(token.expiresAt) && this.obstacleOf(token) === null;
  }

  isAlarmDue({ alarmAt }: Token): boolean {
    return alarmAt === null || this.now >= alarmAt + ALARM_EVERY;
  }

  /** Whether asking about it would change more than when its token was last used. */
  changesIfAsked(secret: Secret): boolean {
    const verdict = this.verdictOf(secret);
    return verdict === 'replaced' ? this.isAlarmDue(secret.token) : verdict === 'live' && (secret.waits || secret.token.owner === 'counted');
  }

  /** Whether the token of a person may write tokens. */
  mayWrite({ owner, isNarrowed }: Token): boolean {
    return !isNarrowed && (owner === 'admin' || (owner === 'member' && this.member.role === 'ADMIN'));
  }

  /** True where it works. The first use of a waiting secret begins the overlap of the others; a retired one raises an alarm. */
  present(secret: Secret, { counts = true } = {}): boolean {
    const verdict = this.verdictOf(secret);
    const { token } = secret;
    if (verdict === 'replaced' && this.isAlarmDue(token)) this.alarm(token);
    if (verdict !== 'live') return false;
    if (secret.waits) this.succeed(secret);
    if (counts) {
      token.uses += 1;
      token.lastUsedAt = this.now;
    }
    return true;
  }

  add(token: Omit<Token, 'name' | 'secrets' | 'uses' | 'lastUsedAt' | 'renewedAt' | 'rotatedAt' | 'alarmAt' | 'exposedAt' | 'end' | 'createdAt'>): Secret {
    const born: Token = {
      ...token, name: `t${this.tokens.length + 1}`, secrets: [], createdAt: this.now,
      uses: 0, lastUsedAt: null, renewedAt: null, rotatedAt: null, alarmAt: null, exposedAt: null, end: null,
    };
    this.tokens.push(born);
    this.tell({ action: 'token.minted', token: born, by: born.createdBy });
    return this.addSecret(born, null);
  }

  /** A secret of a token; with an overlap it waits for its first use. */
  addSecret(token: Token, overlap: Micros | null): Secret {
    const secret: Secret = { name: `s${this.secrets.length + 1}`, token, overlap, waits: overlap !== null, replacedAt: null, endsAt: null, isExposed: false, forgotten: false };
    token.secrets.push(secret);
    this.secrets.push(secret);
    return secret;
  }

  tell(happening: Happening): void {
    this.record.push(happening);
  }

  /** Ends these and, unless those are to live on, all that were minted with them, at every depth. */
  end(named: readonly Token[], by: Owner | null, reason: string, { descendantsLiveOn = false } = {}): { named: number; descendants: number } {
    let [ended, descendants] = [0, 0];
    for (const token of this.tokens) {
      const root = descendantsLiveOn ? (named.includes(token) ? token : null) : nearest(token, named);
      if (!root || token.end) continue;
      const isNamed = root === token;
      token.end = { at: this.now, by, reason: isNamed ? reason : 'parent-revoked', with: isNamed ? null : root };
      this.tell({ action: 'token.revoked', token, by, reason: token.end.reason, ...(!isNamed && { with: root }) });
      if (isNamed) ended += 1;
      else descendants += 1;
    }
    return { named: ended, descendants };
  }

  /** True from the very instant on. */
  hasCome(instant: Micros | null): boolean {
    return instant !== null && this.now >= instant;
  }

  /** Every instant at which something ends, to be stood at and just before. */
  boundaries(): Micros[] {
    const of = (token: Token): (Micros | null)[] => [
      token.expiresAt,
      token.end && token.end.at + UNDO,
      token.alarmAt && token.alarmAt + ALARM_EVERY,
      this.policy.idle && lastSign(token) + this.policy.idle,
      ...token.secrets.map(({ endsAt }) => endsAt),
    ];
    return [...new Set(this.tokens.flatMap(of))].filter((at): at is Micros => at !== null && at > this.now).sort((one, other) => one - other);
  }

  isIdle(token: Token): boolean {
    const { idle } = this.policy;
    return idle !== null && this.hasCome(lastSign(token) + idle);
  }

  private isBlocked(token: Token): boolean {
    const { forbidden, expiryRequired } = this.policy;
    return forbidden === token.door || (expiryRequired && token.expiresAt === null) || this.isIdle(token);
  }

  private succeed(secret: Secret): void {
    const { token, overlap } = secret;
    secret.waits = false;
    for (const other of token.secrets) {
      // What has ended by itself was not replaced.
      if (other === secret || other.forgotten || this.hasCome(other.endsAt)) continue;
      other.replacedAt ??= this.now;
      other.endsAt = earliest(other.endsAt, this.now + (overlap ?? 0));
    }
    token.rotatedAt = this.now;
    this.tell({ action: 'token.rotation-completed', token, by: token.owner });
  }

  private alarm(token: Token): void {
    token.alarmAt = this.now;
    this.tell({ action: 'token.reuse-detected', token, by: null });
    if (this.policy.reuseEnds) this.end([token], null, 'key_compromise');
  }
}

export function lastSign({ createdAt, lastUsedAt, renewedAt }: Token): Micros {
  return Math.max(createdAt, lastUsedAt ?? 0, renewedAt ?? 0);
}

export function earliest(one: Micros | null, other: Micros | null): Micros | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}

/** The token itself or the next one above it that is among these. */
function nearest(token: Token, among: readonly Token[]): Token | null {
  for (let each: Token | null = token; each; each = each.parent) if (among.includes(each)) return each;
  return null;
}
