import { earliest, LONGEST_RENEWED, RENEWAL, RETIRED_KNOWN, SECOND, UNDO, type Door, type Micros, type Owner, type Secret, type Token, type World } from './model.js';

/** What a request must come to: the secret it draws, that it is done, or that it is refused with this status. */
export type Outcome = { readonly drawn: Secret } | { readonly refused: number } | typeof DONE;

const DONE = { done: true } as const;
const refused = (status: number): Outcome => ({ refused: status });

export interface Wish {
  readonly door: Door;
  readonly machine: 'timed' | 'counted';
  readonly expiresAt: Micros | null;
}

/** Minting by the administrator, or with a token of a person. */
export function mint(world: World, { door, machine, expiresAt: asked }: Wish, parent: Secret | null): Outcome {
  if (parent && !world.present(parent)) return refused(401);
  const minter: Owner = parent?.token.owner ?? 'admin';
  if (parent && !mayMint(world, parent.token, door)) return refused(403);
  const owner: Owner = { fynn: minter, unleash: 'project' as const, infisical: machine, deepset: 'organization' as const, flipt: 'organization' as const }[door];
  const expiresAt = door === 'infisical' ? (machine === 'timed' ? world.now + RENEWAL : null) : asked;
  if (world.policy.forbidden === door || (world.policy.expiryRequired && expiresAt === null)) return refused(403);
  const latestEnd = owner === 'timed' ? world.now + LONGEST_RENEWED : null;
  return { drawn: world.add({ door, owner, parent: parent?.token ?? null, createdBy: minter, expiresAt, latestEnd, isNarrowed: false }) };
}

/** Whether this token of a person may mint others there. The door of deepset lets only people in for that. */
export function mayMint(world: World, token: Token, door: Door): boolean {
  if (door === 'deepset') return false;
  return world.mayWrite(token) || (door === 'fynn' && !token.isNarrowed && world.member.role === 'MEMBER');
}

/** By the administrator: everything but the token of another person. */
export function rotate(world: World, token: Token, overlap: Micros): Outcome {
  if (!world.isUsable(token)) return refused(409);
  return token.owner === 'member' ? refused(403) : drawNext(world, token, overlap, 'admin');
}

export function rotateSelf(world: World, secret: Secret, overlap: Micros): Outcome {
  if (!world.present(secret)) return refused(401);
  if (secret.replacedAt !== null || !world.isUsable(secret.token)) return refused(409);
  return drawNext(world, secret.token, overlap, secret.token.owner);
}

function drawNext(world: World, token: Token, overlap: Micros, by: Owner): Outcome {
  for (const secret of token.secrets) if (secret.waits) secret.forgotten = true;
  world.tell({ action: 'token.rotated', token, by });
  return { drawn: world.addSecret(token, overlap) };
}

/** By whoever holds a secret of a machine's token. */
export function renew(world: World, secret: Secret): Outcome {
  const { token } = secret;
  if (!world.present(secret, { counts: false }) || secret.replacedAt !== null) return refused(401);
  for (const each of token.secrets) if (!each.waits && each.endsAt === null) each.endsAt = token.expiresAt;
  if (token.expiresAt !== null) token.expiresAt = Math.max(token.expiresAt, earliest(world.now + RENEWAL, token.latestEnd) ?? 0);
  token.renewedAt = world.now;
  world.tell({ action: 'token.renewed', token, by: token.owner });
  return { drawn: world.addSecret(token, null) };
}

export function expireEarlier(world: World, token: Token, at: Micros): Outcome {
  if (token.end) return refused(409);
  if (token.expiresAt !== null && at > token.expiresAt) return refused(400);
  if (at === token.expiresAt) return DONE;
  if (at <= world.now) return refused(400);
  return setExpiry(world, token, at);
}

/** At its own door, which also prolongs a token that has expired. */
export function changeExpiry(world: World, token: Token, at: Micros): Outcome {
  return token.end ? DONE : setExpiry(world, token, at);
}

function setExpiry(world: World, token: Token, at: Micros): Outcome {
  token.expiresAt = at;
  token.latestEnd = at;
  world.tell({ action: 'token.updated', token, by: 'admin' });
  return DONE;
}

/** To what a member may do at least. */
export function narrow(world: World, token: Token): Outcome {
  if (token.end) return refused(409);
  if (token.isNarrowed) return DONE;
  if (token.owner === 'member' && world.member.role === 'EXTERNAL') return refused(403);
  token.isNarrowed = true;
  world.tell({ action: 'token.updated', token, by: 'admin' });
  return DONE;
}

export function revoke(world: World, token: Token, reason: string): Outcome {
  world.end([token], 'admin', reason);
  return DONE;
}

export function revokeSelf(world: World, secret: Secret, reason: string): Outcome {
  if (!world.present(secret)) return refused(401);
  world.end([secret.token], secret.token.owner, reason);
  return DONE;
}

/** With a secret that has not ended itself; any other changes nothing. */
export function revokeBySecret(world: World, secret: Secret): Outcome {
  if (isInForce(world, secret)) world.end([secret.token], 'admin', 'unspecified');
  return DONE;
}

/** Each secret is told of once. */
export function reportLeak(world: World, secret: Secret): Outcome {
  const { token } = secret;
  if (!isInForce(world, secret)) return DONE;
  if (!secret.isExposed) {
    secret.isExposed = true;
    token.exposedAt = world.now;
    world.tell({ action: 'token.exposed', token, by: null });
  }
  world.end([token], null, 'key_compromise');
  return DONE;
}

function isInForce(world: World, { forgotten, endsAt }: Secret): boolean {
  return !forgotten && !world.hasCome(endsAt);
}

const FINAL = ['key_compromise', 'idle', 'parent-revoked'];

/** As far as its reason goes. */
export function isUndoable({ end }: Token): boolean {
  return end !== null && !FINAL.includes(end.reason);
}

export function restore(world: World, token: Token): Outcome {
  const { end, parent } = token;
  if (!end || parent?.end || !isUndoable(token) || world.hasCome(end.at + UNDO)) return refused(409);
  if (world.hasCome(token.expiresAt) || world.obstacleOf(token)) return refused(409);
  const along = world.tokens.filter((each) => each.end?.with === token && each.end.at === end.at);
  if ([token, ...along].some(({ exposedAt }) => exposedAt !== null)) return refused(409);
  for (const each of [token, ...along]) {
    each.end = null;
    world.tell({ action: 'token.restored', token: each, by: 'admin', ...(each !== token && { with: token }) });
  }
  return DONE;
}

export type Filter = 'everything' | 'active' | 'expired' | Door | 'member';

export interface Sweep {
  readonly filter: Filter;
  readonly reason: string;
  readonly isDryRun: boolean;
  readonly isConfirmed: boolean;
}

/** Null where it must be confirmed first: it would leave none, or none that works. */
export function revokeBy(world: World, { filter, reason, isDryRun, isConfirmed }: Sweep): { matched: number; revoked: number; cascaded: number } | null {
  const present = world.tokens.filter(({ end }) => !end);
  const matched = present.filter((token) => isMatch(world, filter, token));
  const active = present.filter((token) => world.stateOf(token) === 'active');
  const endsAllActive = active.length > 0 && active.every((token) => matched.includes(token));
  const cascaded = present.filter((token) => !matched.includes(token) && isBelow(token, matched)).length;
  if (isDryRun) return { matched: matched.length, revoked: 0, cascaded };
  if (matched.length > 1 && (matched.length === present.length || endsAllActive) && !isConfirmed) return null;
  const { named, descendants } = world.end(matched, 'admin', reason);
  return { matched: matched.length, revoked: named, cascaded: descendants };
}

function isMatch(world: World, filter: Filter, token: Token): boolean {
  if (filter === 'everything') return true;
  if (filter === 'active' || filter === 'expired') return world.stateOf(token) === filter;
  return filter === 'member' ? token.owner === 'member' : token.door === filter;
}

function isBelow({ parent }: Token, among: readonly Token[]): boolean {
  return parent !== null && (among.includes(parent) || isBelow(parent, among));
}

/** What the service does by itself, sooner or later. */
export function upkeep(world: World): void {
  world.end(world.tokens.filter((token) => !world.hasCome(token.expiresAt) && world.isIdle(token)), null, 'idle', { descendantsLiveOn: true });
  for (const secret of world.secrets) if (secret.replacedAt !== null && secret.endsAt !== null && world.hasCome(secret.endsAt + RETIRED_KNOWN)) secret.forgotten = true;
}

/** Ends that are asked for in whole seconds. */
export function wholeSecond(at: Micros): Micros {
  return Math.ceil(at / SECOND) * SECOND;
}
