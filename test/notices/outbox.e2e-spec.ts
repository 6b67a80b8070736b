import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AuditLog } from '../../src/audit/audit-log.js';
import { DataSource } from 'typeorm';
import { theApp } from '../support/app.js';
import { aName, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { aWebhook } from '../support/webhooks.js';

const URL = 'https://hooks.acme.example';

/** What is in the outbox, as `event token`, each with its job; an outbox row without a job shows as such. */
async function outboxOf(tenant: TestTenant): Promise<string[]> {
  const rows = await sql<{ event: string; token: string; jobs: number }>(
    tenant,
    `SELECT d.event, d.payload -> 'data' -> 'token' ->> 'id' AS token,
        (SELECT count(*)::int FROM queue.job j WHERE j.data ->> 'delivery_id' = d.id::text AND j.data ->> 'organization_id' = d.organization_id::text) AS jobs
       FROM webhook_deliveries d WHERE d.organization_id = $1`,
    [tenant.id],
  );
  return rows.map(({ event, token, jobs }) => `${event} ${token} ${jobs}`).sort();
}

describe('the outbox', () => {
  it('has a row and a job for every change that was acknowledged, and for none that was not, whatever fails in between', async () => {
    const tenant = await aTenant();
    await aWebhook(tenant, URL);
    const as = tenant.admin.session;
    const audit = (await theApp()).app.get(AuditLog);
    const expected: string[] = [];
    const live: string[] = [];
    let made = 0;
    let refused = 0;

    /** The next change fails after the outbox has heard of it, within the same transaction. */
    const breaking = async <T>(breaks: boolean, work: () => Promise<T>): Promise<T> => {
      if (!breaks) return work();
      const follower = { heard: () => Promise.reject(new Error('the disk is full')) };
      const followers = (audit as unknown as { followers: object[] }).followers;
      followers.push(follower);
      try {
        return await work();
      } finally {
        followers.splice(followers.indexOf(follower), 1);
      }
    };

    const steps = fc.array(fc.record({ change: fc.constantFrom('mint', 'revoke'), breaks: fc.boolean() }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(steps, async (changes) => {
        for (const { change, breaks } of changes) {
          if (change === 'mint') {
            const { status, body } = await breaking(breaks, () => call('POST', '/auth/v1/method/token', { as, body: { name: aName('client') } }));
            if (status === 200) {
              const { jti } = await introspect(as, body.clientToken);
              live.push(jti);
              expected.push(`token.created ${jti} 1`);
            }
            expect(status === 200).toBe(!breaks);
          } else if (live[0]) {
            const [id] = live;
            const { status } = await breaking(breaks, () => call('DELETE', `/v1/tokens/${id}`, { as }));
            if (status === 204) expected.push(`token.revoked ${live.shift()} 1`);
            expect(status === 204).toBe(!breaks);
          }
          if (breaks) refused += 1;
          else made += 1;
        }
        expect(await outboxOf(tenant)).toEqual([...expected].sort());
      }),
      { numRuns: 8, seed: 20_261_122 },
    );
    expect(Math.min(made, refused)).toBeGreaterThan(5);
  });

  it('is empty for an organization without webhooks, and takes nothing from the change', async () => {
    const tenant = await aTenant();
    expect((await call('POST', '/auth/v1/method/token', { as: tenant.admin.session, body: { name: 'client' } })).status).toBe(200);
    expect(await outboxOf(tenant)).toEqual([]);
  });

  it('puts ids into the queue and nothing else, and lets the service neither make queues nor drop them', async () => {
    const tenant = await aTenant();
    await aWebhook(tenant, URL);
    await call('POST', '/auth/v1/method/token', { as: tenant.admin.session, body: { name: 'client' } });
    const dataSource = (await theApp()).app.get(DataSource);
    const jobs = await dataSource.query<{ data: object }[]>(`SELECT data FROM queue.job WHERE data ->> 'organization_id' = $1`, [tenant.id]);
    expect(jobs).toEqual([{ data: { organization_id: tenant.id, delivery_id: expect.stringMatching(/^[0-9a-f-]{36}$/) } }]);
    for (const statement of [`SELECT queue.create_queue('x', '{}')`, `SELECT queue.delete_queue('webhook-deliveries')`, 'DROP TABLE queue.job', 'TRUNCATE queue.job', 'CREATE TABLE queue.x (id int)']) {
      await expect(dataSource.query(statement)).rejects.toThrow(/permission denied|must be owner/);
    }
  });
});
