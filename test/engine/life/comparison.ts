import { expect } from 'vitest';
import { sql } from '../../support/builders.js';
import { timeOf, KIND_OF, type Gatehouse } from './gatehouse.js';
import type { Micros, Secret, Token, World } from './model.js';

const BATCH = 100;

/**
 * Holds all that the service says against the model: the verdict on every secret ever seen, by introspection and by a
 * guarded call; what the inventory shows; and the record, which tells of each change exactly once. A secret by asking
 * about which something would change is left out, but where `intrudes` asks about all of them.
 */
export async function compare(world: World, gatehouse: Gatehouse, { intrudes = false } = {}): Promise<void> {
  const asked = world.secrets.filter((secret) => intrudes || !world.changesIfAsked(secret));
  await compareIntrospection(world, gatehouse, asked);
  await compareGuard(world, gatehouse, asked);
  await gatehouse.flush();
  await compareInventory(world, gatehouse);
  await compareRecord(world, gatehouse);
}

async function compareIntrospection(world: World, gatehouse: Gatehouse, asked: readonly Secret[]): Promise<void> {
  for (let start = 0; start < asked.length; start += BATCH) {
    const secrets = asked.slice(start, start + BATCH);
    // One after the other, as each may change what is true of the next.
    const groups = secrets.some((secret) => world.changesIfAsked(secret)) ? secrets.map((secret) => [secret]) : [secrets];
    for (const group of groups) {
      const { body } = await gatehouse.must(200, 'POST', '/v1/introspect/batch', { body: { tokens: group.map((secret) => gatehouse.textOf(secret)) } });
      const said = group.map((secret, index) => describe(secret, claimsOf(body.results[index])));
      expect(said).toEqual(group.map((secret) => describe(secret, expectedClaims(world, gatehouse, secret))));
    }
  }
}

function describe(secret: Secret, claims: object): object {
  return { secret: secret.name, of: secret.token.name, ...claims };
}

function claimsOf({ active, jti, exp, scope }: { active: boolean; jti?: string; exp?: number; scope?: string }): object {
  return active ? { active, jti, exp: exp ?? null, writes: scope?.split(' ').includes('token:write') } : { active };
}

function expectedClaims(world: World, gatehouse: Gatehouse, secret: Secret): object {
  const endsAt = [secret.token.expiresAt, secret.endsAt].filter((at): at is Micros => at !== null);
  if (!world.present(secret)) return { active: false };
  const isPerson = secret.token.door === 'fynn';
  return {
    active: true,
    jti: gatehouse.idOf(secret.token),
    exp: endsAt.length === 0 ? null : Math.floor(Date.parse(timeOf(Math.min(...endsAt))) / 1000),
    writes: isPerson ? world.mayWrite(secret.token) : expect.any(Boolean),
  };
}

async function compareGuard(world: World, gatehouse: Gatehouse, asked: readonly Secret[]): Promise<void> {
  for (const secret of asked) {
    const status = world.present(secret) ? 200 : 401;
    await gatehouse.must(status, 'GET', '/v1/tokens/self', { as: gatehouse.textOf(secret) });
  }
}

async function compareInventory(world: World, gatehouse: Gatehouse): Promise<void> {
  const { body } = await gatehouse.must(200, 'GET', '/v1/tokens?limit=100&total=true');
  expect(body.total).toBe(world.tokens.length);
  const shown = new Map<string, any>(body.data.map((each: any) => [each.id, each]));
  for (const token of world.tokens) {
    const { pending_rotation: pending, ...each } = shown.get(gatehouse.idOf(token));
    expect({ token: token.name, pending: pending && { hint: pending.hint.slice(-4), overlap: pending.overlap_seconds }, ...each }).toMatchObject(expectedResource(world, gatehouse, token));
  }
}

function expectedResource(world: World, gatehouse: Gatehouse, token: Token): object {
  const time = (at: Micros | null): string | null => (at === null ? null : timeOf(at));
  const id = (other: Token | null): string | null => other && gatehouse.idOf(other);
  const waiting = token.secrets.find(({ waits, forgotten }) => waits && !forgotten);
  const { end } = token;
  return {
    token: token.name,
    state: world.stateOf(token),
    kind: KIND_OF[token.door],
    owner_id: gatehouse.ownerId(token.owner),
    created_by: gatehouse.ownerId(token.createdBy),
    created_at: time(token.createdAt),
    parent_id: id(token.parent),
    expires_at: time(token.expiresAt),
    use_count: token.uses,
    last_used_at: time(token.lastUsedAt),
    rotated_at: time(token.rotatedAt),
    reuse_detected_at: time(token.alarmAt),
    pending: waiting ? { hint: gatehouse.textOf(waiting).slice(-4), overlap: (waiting.overlap ?? 0) / 1_000_000 } : null,
    revoked_at: time(end && end.at),
    revoked_by: gatehouse.ownerId(end && end.by),
    revocation_reason: end && end.reason,
    revoked_with: id(end && end.with),
    exposed_at: time(token.exposedAt),
  };
}

async function compareRecord(world: World, gatehouse: Gatehouse): Promise<void> {
  const rows = await sql(
    gatehouse.tenant,
    `SELECT action, target_id, actor_id, details->>'reason' AS reason, details->>'with' AS with FROM audit_events WHERE action LIKE 'token.%'`,
  );
  const names = new Map(world.tokens.map((token) => [gatehouse.idOf(token), token.name]));
  const told = rows.map((row) => [row['action'], names.get(row['target_id'] as string), row['actor_id'], row['reason'], names.get(row['with'] as string) ?? null].join(' '));
  const happened = world.record.map(({ action, token, by, reason, with: other }) =>
    [action, token.name, gatehouse.ownerId(by), reason ?? null, other?.name ?? null].join(' '));
  expect(told.sort()).toEqual(happened.sort());
}
