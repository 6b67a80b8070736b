import { expect } from 'vitest';
import { call } from '../../support/call.js';
import type { Sent } from './gatehouse.js';
import { MINUTE, type Micros, type Secret, type World } from './model.js';
import type { Outcome } from './rules.js';
import type { Real } from './step.js';

/** One that is repeated within this time is answered as it was the first time. */
export const ANSWER_KEPT: Micros = 10 * MINUTE;

/** A request that was sent with an Idempotency-Key and succeeded. */
export interface Asked {
  readonly sent: Sent;
  /** The credential it was sent with: a secret, or that session of the administrator. */
  readonly by: Secret | number;
  readonly text: string;
  readonly at: Micros;
  again(): Outcome;
  /** Whether the credential, if it works, may still ask it. */
  isAllowed(): boolean;
  /** An end that the request names. */
  readonly expiresAt?: Micros | null;
}

let keys = 0;

interface Question extends Pick<Asked, 'sent' | 'again'>, Partial<Pick<Asked, 'isAllowed' | 'expiresAt'>> {
  /** Null: the administrator. */
  readonly by: Secret | null;
  readonly isKeyed: boolean;
}

/** Sends a request, perhaps with an Idempotency-Key: then it may be repeated later. */
export async function ask(world: World, { gatehouse, asked }: Real, { by, sent, isKeyed: keyed, again, isAllowed = () => true, expiresAt }: Question): Promise<void> {
  const request = keyed ? { ...sent, options: { ...sent.options, headers: { 'idempotency-key': `key-${(keys += 1)}` } } } : sent;
  const outcome = again();
  const { text } = await gatehouse.send(request, outcome);
  if (keyed && 'drawn' in outcome) asked.push({ sent: request, by: by ?? gatehouse.session, text, at: world.now, again, isAllowed, expiresAt });
}

export async function repeat(world: World, { gatehouse, asked }: Real, first: Asked, isOtherBody: boolean): Promise<void> {
  const { sent, by, text, at, expiresAt = null } = first;
  // A session that is over cannot repeat what it asked.
  if (typeof by === 'number' && by !== gatehouse.session) return;
  if (world.now >= at + ANSWER_KEPT) {
    // What names an end that is over now would be refused for that.
    if (isOtherBody || world.hasCome(expiresAt)) return;
    asked.splice(asked.indexOf(first), 1);
    const outcome = first.again();
    const later = await gatehouse.send(sent, outcome);
    if ('drawn' in outcome) asked.push({ ...first, text: later.text, at: world.now });
    return;
  }
  const refusal = typeof by !== 'number' && !world.present(by) ? 401 : !first.isAllowed() ? 403 : isOtherBody ? 422 : null;
  const body = isOtherBody ? { ...(sent.options.body as object), other: 1 } : sent.options.body;
  const answer = await call('POST', sent.url, { ...sent.options, body });
  if (refusal !== null) expect([sent.url, answer.status, answer.text]).toEqual([sent.url, refusal, answer.text]);
  else expect([sent.url, answer.text, answer.headers['idempotent-replayed']]).toEqual([sent.url, text, 'true']);
}
