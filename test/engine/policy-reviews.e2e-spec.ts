import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MaintenanceRunner } from '../../src/kernel/maintenance/maintenance-runner.js';
import { LastUse } from '../../src/tokens/last-use.js';
import { theApp } from '../support/app.js';
import { aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { ownInstallation } from '../support/installation.js';
import { admit, aSubOrganization, aTokenAuthMachine, mintFor } from '../support/machines.js';
import { aWebhook, freshSession } from '../support/webhooks.js';

const installation = ownInstallation();
const TASK = 'tokens.review-policies';
const DAY = 24 * 3600;

let tenant: TestTenant;
let as: string;
beforeEach(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
  await aWebhook(tenant, 'https://hooks.acme.example', ['token.policy_blocked']);
});
afterEach(async () => {
  (await theApp()).clock.reset();
  await policy({}, installation.platform);
});

async function policy(body: object, of = tenant): Promise<void> {
  const { status, text } = await call('PUT', '/v1/policy', { as: of === tenant ? as : await freshSession(of), body });
  if (status !== 200) throw new Error(text);
}

async function aToken(body: object = {}): Promise<{ id: string; secret: string }> {
  const { token: secret } = (await call('POST', '/user/api-tokens', { as, body })).body;
  return { secret, id: (await introspect(as, secret))['jti'] };
}

/** Runs upkeep wherever it finds something to do, and tells what it put into this organization's outbox since the last time. */
async function told(of = tenant): Promise<string[]> {
  const { app } = await theApp();
  await app.get(MaintenanceRunner).run(TASK);
  const [rows] = (await sql(of, 'DELETE FROM webhook_deliveries RETURNING event, payload')) as unknown as [{ event: string; payload: any }[], number];
  return rows.map(({ event, payload }) => `${event} ${payload.data.token.id} ${payload.data.details.reason}`).sort();
}

const blocks = (reason: string, ...ids: string[]): string[] => ids.map((id) => `token.policy_blocked ${id} ${reason}`).sort();

describe('token.policy_blocked', () => {
  it('comes once for each token that a change of the policy blocks, with why, and again only after it was unblocked', async () => {
    const [one, two] = [await aToken(), await aToken()];
    expect(await told()).toEqual([]);
    await policy({ expiry_required: true });
    expect(await told()).toEqual(blocks('expiry-required', one.id, two.id));
    expect(await told()).toEqual([]);
    await policy({ allowed_kinds: ['project'] });
    expect(await told()).toEqual([]);
    await policy({});
    expect(await told()).toEqual([]);
    await policy({ allowed_kinds: ['project'] });
    expect(await told()).toEqual(blocks('kind-not-allowed', one.id, two.id));
    expect(await sql(tenant, `SELECT actor_kind, target_id, details FROM audit_events WHERE action = 'token.policy-blocked' AND target_id = $1 ORDER BY occurred_at`, [one.id])).toEqual([
      { actor_kind: 'system', target_id: one.id, details: { reason: 'expiry-required' } },
      { actor_kind: 'system', target_id: one.id, details: { reason: 'kind-not-allowed' } },
    ]);
  });

  it('tells of no token that is revoked or has expired, nor of one that the policy allows', async () => {
    const { clock } = await theApp();
    const [revoked, expired, kept] = [await aToken(), await aToken({ expiresAt: clock.now().plusSeconds(60).toRfc3339() }), await aToken({ expiresAt: clock.now().plusSeconds(2 * DAY).toRfc3339() })];
    await call('DELETE', `/v1/tokens/${revoked.id}`, { as });
    await policy({ expiry_required: true });
    clock.advance(61);
    expect(await told()).toEqual([]);
    expect(await introspect(await freshSession(tenant), kept.secret)).toMatchObject({ active: true });
    expect(expired.id).not.toBe(kept.id);
  });

  it('comes for what the platform forbids, and for what a sub-organization forbids where the token acts', async () => {
    const own = await aToken();
    await policy({ expiry_required: true }, installation.platform);
    expect(await told()).toEqual(blocks('expiry-required', own.id));
    await policy({}, installation.platform);
    expect(await told()).toEqual([]);
    const sub = await aSubOrganization(tenant);
    const identity = await aTokenAuthMachine(tenant);
    await admit(sub, identity);
    const [there] = [await mintFor(tenant, identity, { organizationSlug: sub.slug }), await mintFor(tenant, identity)];
    await call('PUT', '/v1/policy', { as: sub.admin.session, body: { allowed_kinds: ['user'] } });
    expect(await told()).toEqual(blocks('kind-not-allowed', there.id));
  });

  it('comes within ten minutes for what is blocked by time alone', async () => {
    const { app, clock } = await theApp();
    const idle = await aToken();
    const used = await aToken();
    await policy({ idle_days: 10 });
    expect(await told()).toEqual([]);
    clock.advance(9 * DAY);
    await introspect((as = await freshSession(tenant)), used.secret);
    await app.get(LastUse).flush();
    clock.advance(DAY - 300);
    expect(await told()).toEqual([]);
    clock.advance(301);
    expect(await told()).toEqual([]);
    clock.advance(300);
    as = await freshSession(tenant);
    expect(await told()).toEqual(blocks('idle', idle.id));
  });

  it('tells of all of them where there are more than one batch takes, and of none twice when upkeep breaks off in between', async () => {
    await sql(
      tenant,
      `INSERT INTO api_tokens (organization_id, id, kind, name, all_projects, hint, created_at, created_by, updated_at)
       SELECT $1, gen_random_uuid(), 'organization', 'many', true, 'api_…', now(), $1, now() FROM generate_series(1, 1203)`,
      [tenant.id],
    );
    await policy({ expiry_required: true });
    const runner = (await theApp()).app.get(MaintenanceRunner);
    const batches = runner as unknown as { inBatch: (...args: unknown[]) => Promise<number> };
    const inBatch = batches.inBatch;
    let done = 0;
    batches.inBatch = (...args) => ((done += 1) === 2 ? Promise.reject(new Error('the lights went out')) : inBatch.apply(runner, args));
    await expect(runner.run(TASK, [tenant.id])).rejects.toThrow('the lights went out');
    batches.inBatch = inBatch;
    const all = await told();
    expect([all.length, new Set(all).size]).toEqual([1203, 1203]);
    expect(await told()).toEqual([]);
  });

  it('is looked for only where a policy was changed or ten minutes have passed', async () => {
    const { app, clock } = await theApp();
    const reviewed = async (): Promise<number> => app.get(MaintenanceRunner).run(TASK);
    await aToken();
    await policy({ idle_days: 5 });
    expect(await reviewed()).toBeGreaterThan(0);
    expect(await reviewed()).toBe(0);
    clock.advance(601);
    expect(await reviewed()).toBeGreaterThan(0);
  });
});
