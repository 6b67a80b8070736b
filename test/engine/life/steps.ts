import fc from 'fast-check';
import { expect } from 'vitest';
import { timeOf } from './gatehouse.js';
import { DAY, DOORS, HOUR, MINUTE, SECOND, UNDO, type Door, type Micros, type Policy, type SecretState, type World } from './model.js';
import { ANSWER_KEPT, ask, repeat } from './retries.js';
import * as rules from './rules.js';
import type { Filter, Outcome, Wish } from './rules.js';
import { edge, onSecret, onToken, pick, step, tick, tickTo, which, type Command } from './step.js';

const reason = fc.constantFrom('unspecified', 'key_compromise', 'affiliation_changed', 'superseded', 'cessation_of_operation', 'privilege_withdrawn');
const door = fc.constantFrom(...DOORS);
const overlap = fc.constantFrom<Micros>(0, 0, SECOND, HOUR, DAY, 7 * DAY);
const span = fc.constantFrom<Micros>(SECOND, 90 * SECOND, HOUR, 3 * DAY);
const wish = fc.record({ door, machine: fc.constantFrom('timed' as const, 'counted' as const), lives: fc.option(span) });
const isKeyed = fc.boolean();

const toWish = (world: World, { door: at, machine, lives }: { door: Door; machine: 'timed' | 'counted'; lives: Micros | null }): Wish => ({
  door: at, machine, expiresAt: lives === null ? null : rules.wholeSecond(world.now + lives),
});

const NO_POLICY: Policy = { forbidden: null, expiryRequired: false, idle: null, reuseEnds: false };
const POLICIES: readonly Policy[] = [
  NO_POLICY,
  NO_POLICY,
  { ...NO_POLICY, reuseEnds: true },
  { ...NO_POLICY, reuseEnds: true },
  { forbidden: 'flipt', expiryRequired: false, idle: null, reuseEnds: false },
  { forbidden: null, expiryRequired: true, idle: null, reuseEnds: false },
  { forbidden: null, expiryRequired: false, idle: 2 * DAY, reuseEnds: true },
];

const FILTERS: readonly Filter[] = ['everything', 'active', 'expired', 'member', ...DOORS];

const minting = step('mint', fc.tuple(wish, isKeyed), async (world, real, [chosen, keyed]) => {
  const asked = toWish(world, chosen);
  const sent = real.gatehouse.mintRequest(asked, real.gatehouse.as);
  await ask(world, real, { by: null, sent, isKeyed: keyed, again: () => rules.mint(world, asked, null), expiresAt: asked.expiresAt });
});

const mintingWithToken = step('mint with token', fc.tuple(which, wish, isKeyed), (world, real, [index, chosen, keyed]) =>
  onSecret(world, index, async (parent) => {
    const asked = toWish(world, chosen);
    const sent = real.gatehouse.mintRequest(asked, real.gatehouse.textOf(parent));
    const isAllowed = (): boolean => rules.mayMint(world, parent.token, asked.door);
    await ask(world, real, { by: parent, sent, isKeyed: keyed, again: () => rules.mint(world, asked, parent), isAllowed, expiresAt: asked.expiresAt });
  }, ({ token }) => token.door === 'fynn'));

const introspecting = step('introspect', which, (world, { gatehouse }, index) =>
  onSecret(world, index, async (secret) => {
    const active = world.present(secret);
    const { body } = await gatehouse.must(200, 'POST', '/oauth2/introspect', { form: { token: gatehouse.textOf(secret) } });
    expect([secret.name, body.active]).toEqual([secret.name, active]);
  }));

/** A call with a secret of one of these states. */
const calling = (...states: SecretState[]): fc.Arbitrary<Command> =>
  step(`call with one that is ${states.join(' or ')}`, which, (world, { gatehouse }, index) =>
    onSecret(world, index, async (secret) => {
      await gatehouse.must(world.present(secret) ? 200 : 401, 'GET', '/v1/tokens/self', { as: gatehouse.textOf(secret) });
    }, (secret) => states.includes(world.stateOfSecret(secret))));

const rotating = step('rotate', fc.tuple(which, overlap, isKeyed), (world, real, [index, length, keyed]) =>
  onToken(world, index, async (token) => {
    const sent = { url: `/v1/tokens/${real.gatehouse.idOf(token)}/rotate`, options: { as: real.gatehouse.as, body: { overlap_seconds: length / SECOND } } };
    await ask(world, real, { by: null, sent, isKeyed: keyed, again: () => rules.rotate(world, token, length) });
  }));

const rotatingSelf = step('rotate self', fc.tuple(which, overlap, isKeyed), (world, real, [index, length, keyed]) =>
  onSecret(world, index, async (secret) => {
    const sent = { url: '/v1/tokens/self/rotate', options: { as: real.gatehouse.textOf(secret), body: { overlap_seconds: length / SECOND } } };
    await ask(world, real, { by: secret, sent, isKeyed: keyed, again: () => rules.rotateSelf(world, secret, length) });
  }));

const rotatingAndTakingOver = step('rotate and use the new one', fc.tuple(which, overlap), (world, { gatehouse }, [index, length]) =>
  onToken(world, index, async (token) => {
    const outcome = rules.rotate(world, token, length);
    const sent = { url: `/v1/tokens/${gatehouse.idOf(token)}/rotate`, options: { as: gatehouse.as, body: { overlap_seconds: length / SECOND } } };
    await gatehouse.send(sent, outcome);
    if ('drawn' in outcome) await gatehouse.must(world.present(outcome.drawn) ? 200 : 401, 'GET', '/v1/tokens/self', { as: gatehouse.textOf(outcome.drawn) });
  }));

const repeating = step('repeat', fc.tuple(which, fc.boolean(), edge), async (world, real, [index, isOtherBody, off]) => {
  const first = pick(real.asked, index);
  if (!first) return;
  await tickTo(world, real, first.at + ANSWER_KEPT, off);
  await repeat(world, real, first, isOtherBody);
});

const renewing = step('renew', which, (world, { gatehouse }, index) =>
  onSecret(world, index, async (secret) => {
    await gatehouse.send({ url: '/api/v1/auth/token/renew', options: { body: { accessToken: gatehouse.textOf(secret) } } }, rules.renew(world, secret));
  }, ({ token }) => token.door === 'infisical'));

const expiringEarlier = step('expire earlier', fc.tuple(which, fc.constantFrom<Micros>(-SECOND, 0, 1, 1_500_001, 40 * MINUTE + 700_001, 5 * DAY)), (world, { gatehouse }, [index, lives]) =>
  onToken(world, index, async (token) => {
    const at = world.now + lives;
    const outcome = rules.expireEarlier(world, token, at);
    await gatehouse.must(statusOf(outcome), 'PATCH', `/v1/tokens/${gatehouse.idOf(token)}`, { body: { expires_at: timeOf(at) } });
  }));

const changingExpiry = step('change expiry at the door', fc.tuple(which, span), (world, { gatehouse }, [index, lives]) =>
  onToken(world, index, async (token) => {
    const at = rules.wholeSecond(world.now + lives);
    const secret = token.secrets.findLast((each) => !each.forgotten && each.replacedAt === null);
    if (!secret || at === token.expiresAt) return;
    rules.changeExpiry(world, token, at);
    await gatehouse.must(200, 'PUT', `/api/admin/api-tokens/${encodeURIComponent(gatehouse.textOf(secret))}`, { body: { expiresAt: timeOf(at) } });
  }, ({ door: at }) => at === 'unleash'));

const narrowing = step('narrow', which, (world, { gatehouse }, index) =>
  onToken(world, index, async (token) => {
    const outcome = rules.narrow(world, token);
    await gatehouse.must(statusOf(outcome), 'PATCH', `/v1/tokens/${gatehouse.idOf(token)}`, { body: { permissions: ['profile:read', 'token:read'] } });
  }, ({ door: at }) => at === 'fynn'));

const revoking = step('revoke', fc.tuple(which, reason), (world, { gatehouse }, [index, why]) =>
  onToken(world, index, async (token) => {
    rules.revoke(world, token, why);
    await gatehouse.must(204, 'DELETE', `/v1/tokens/${gatehouse.idOf(token)}?reason=${why}`);
  }));

const revokingSelf = step('revoke self', fc.tuple(which, reason), (world, { gatehouse }, [index, why]) =>
  onSecret(world, index, async (secret) => {
    const outcome = rules.revokeSelf(world, secret, why);
    await gatehouse.must('refused' in outcome ? outcome.refused : 204, 'DELETE', '/v1/tokens/self', { as: gatehouse.textOf(secret), body: { reason: why } });
  }));

const revokingBySecret = step('revoke by secret', which, (world, { gatehouse }, index) =>
  onSecret(world, index, async (secret) => {
    rules.revokeBySecret(world, secret);
    await gatehouse.must(200, 'POST', '/oauth2/revoke', { form: { token: gatehouse.textOf(secret) } });
  }));

const reporting = step('report leak', which, (world, { gatehouse }, index) =>
  onSecret(world, index, async (secret) => {
    rules.reportLeak(world, secret);
    await gatehouse.must(202, 'POST', '/v1/tokens/report-leak', { as: undefined, body: { tokens: [{ token: gatehouse.textOf(secret) }] } });
  }));

const revokingMany = step('revoke by filter', fc.record({ filter: fc.constantFrom(...FILTERS), reason, isDryRun: fc.boolean(), isConfirmed: fc.integer({ min: 0, max: 3 }).map((chance) => chance === 0) }), async (world, { gatehouse }, sweep) => {
  const outcome = rules.revokeBy(world, sweep);
  const body = { filter: gatehouse.toFilter(sweep.filter), reason: sweep.reason, dry_run: sweep.isDryRun, confirm: sweep.isConfirmed };
  const answer = await gatehouse.must(outcome ? 200 : 400, 'POST', '/v1/tokens/revoke', { body });
  if (outcome) expect(answer.body).toEqual(outcome);
});

const restoring = step('restore', fc.tuple(which, edge), (world, real, [index, off]) =>
  onToken(world, index, async (token) => {
    await tickTo(world, real, (token.end?.at ?? 0) + UNDO, off);
    const outcome = rules.restore(world, token);
    await real.gatehouse.must(statusOf(outcome), 'POST', `/v1/tokens/${real.gatehouse.idOf(token)}/restore`);
  }, (token) => (index % 4 === 0 ? token.end !== null : rules.isUndoable(token))));

const waiting = (...lengths: Micros[]): fc.Arbitrary<Command> =>
  step('wait', fc.constantFrom(...lengths), (world, real, length) => tick(world, real, world.now + length));

const waitingUntil = step('wait until', fc.tuple(fc.nat({ max: 4 }), fc.constantFrom<Micros>(-1, 0, 0)), async (world, real, [index, off]) => {
  const kept = real.asked.map(({ at }) => at + ANSWER_KEPT).filter((at) => at > world.now);
  const ahead = [...world.boundaries(), ...kept].sort((one, other) => one - other);
  const at = ahead[index % Math.max(1, ahead.length)];
  if (at !== undefined && at + off > world.now) await tick(world, real, at + off);
});

const governing = step('set policy', fc.constantFrom(...POLICIES), async (world, { gatehouse }, policy) => {
  world.policy = policy;
  await gatehouse.setPolicy(policy);
});

const assigning = step('give the member a role', fc.constantFrom('ADMIN' as const, 'ADMIN' as const, 'MEMBER' as const, 'EXTERNAL' as const), async (world, { gatehouse }, role) => {
  world.member.role = role;
  await gatehouse.setMember({ role });
});

const disabling = step('disable or enable the member', fc.constantFrom(true, false, false), async (world, { gatehouse }, disabled) => {
  world.member.disabled = disabled;
  await gatehouse.setMember({ status: disabled ? 'disabled' : 'active' });
});

const keepingUp = step('upkeep', fc.constant(null), async (world, { gatehouse }) => {
  rules.upkeep(world);
  await gatehouse.upkeep();
});

function statusOf(outcome: Outcome): number {
  return 'refused' in outcome ? outcome.refused : 200;
}

const OFTEN = [
  minting, mintingWithToken, rotating, rotatingAndTakingOver, rotatingSelf, repeating, renewing, calling('waiting'), calling('waiting'), calling('retired'),
  waiting(1, SECOND, MINUTE, 5 * MINUTE, 30 * MINUTE), waitingUntil, waitingUntil, restoring, restoring,
];
const SOMETIMES = [introspecting, calling('current', 'replaced', 'ended', 'forgotten'), expiringEarlier, changingExpiry, narrowing, governing, revoking, revokingSelf, revokingMany];
const SELDOM = [revokingBySecret, reporting, assigning, disabling, keepingUp, waiting(DAY, 31 * DAY)];

export const STEPS: readonly fc.Arbitrary<Command>[] = [...OFTEN, ...OFTEN, ...OFTEN, ...SOMETIMES, ...SOMETIMES, ...SELDOM];
