import { beforeAll, describe, expect, it } from 'vitest';
import { theApp } from '../support/app.js';
import { aMember, aRole, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call } from '../support/call.js';
import { aWebhook } from '../support/webhooks.js';

const URL = 'https://hooks.acme.example/gatehouse';
const EVENTS = ['token.created', 'token.revoked'];

let tenant: TestTenant;
beforeAll(async () => {
  tenant = await aTenant();
});

describe('webhooks', () => {
  it('are created, read, listed, changed and deleted, each recorded once and without the secret', async () => {
    const as = (tenant = await aTenant()).admin.session;
    const created = await call('POST', '/v1/webhooks', { as, body: { url: `${URL}?key=of-theirs`, description: 'on call', events: [...EVENTS, ...EVENTS] } });
    expect(created.status).toBe(201);
    const { secret, ...resource } = created.body;
    expect(resource).toEqual({
      id: expect.any(String), url: `${URL}?key=of-theirs`, description: 'on call', events: EVENTS, enabled: true, disabled_reason: null, failing_since: null,
      previous_secret_ends_at: null, created_at: expect.any(String), created_by: tenant.admin.id, updated_at: expect.any(String),
    });
    const path = `/v1/webhooks/${resource.id}`;
    expect((await call('GET', path, { as })).body).toEqual(resource);
    expect((await call('GET', '/v1/webhooks', { as })).body).toEqual({ data: [resource], next_cursor: null });
    const changed = await call('PATCH', path, { as, body: { description: '', events: ['token.expiring'], enabled: false } });
    expect([changed.status, changed.body]).toMatchObject([200, { url: resource.url, description: '', events: ['token.expiring'], enabled: false, disabled_reason: 'asked' }]);
    expect((await call('DELETE', path, { as })).status).toBe(204);
    expect((await call('GET', path, { as })).status).toBe(404);
    const events = await sql(tenant, `SELECT action, details, before, after FROM audit_events WHERE target_id = $1 ORDER BY occurred_at`, [resource.id]);
    expect(events.map(({ action }) => action)).toEqual(['webhook.created', 'webhook.updated', 'webhook.deleted']);
    expect(events[1]).toMatchObject({ before: { description: 'on call', events: EVENTS, enabled: true }, after: { description: '', events: ['token.expiring'], enabled: false } });
    for (const trace of [secret, 'of-theirs']) expect(JSON.stringify(events)).not.toContain(trace);
  });

  it('keep their secret sealed: it is in no answer but the first, in no column and in no line of the log', async () => {
    const webhook = await aWebhook(tenant, URL);
    const as = tenant.admin.session;
    const rotated = await call('POST', `${webhook.path}/rotate-secret`, { as, body: {} });
    const answers = [await call('GET', webhook.path, { as }), await call('GET', '/v1/webhooks', { as }), await call('PATCH', webhook.path, { as, body: { description: 'x' } })];
    const rows = await sql(tenant, `SELECT to_jsonb(w) AS row, encode(sealed_secret, 'escape') AS one, encode(previous_sealed_secret, 'escape') AS other FROM webhooks w`);
    const everything = JSON.stringify([answers, rows, (await theApp()).log]);
    for (const secret of [webhook.secret, rotated.body.secret]) for (const trace of [secret, secret.slice(6), Buffer.from(secret).toString('hex')]) expect(everything).not.toContain(trace);
  });

  it('are paged newest first by a cursor', async () => {
    const own = await aTenant();
    const ids: string[] = [];
    for (let count = 0; count < 3; count += 1) ids.unshift((await aWebhook(own, URL)).id);
    const first = await call('GET', '/v1/webhooks?limit=2', { as: own.admin.session });
    const second = await call('GET', `/v1/webhooks?limit=2&cursor=${first.body.next_cursor}`, { as: own.admin.session });
    expect([...first.body.data, ...second.body.data].map(({ id }: { id: string }) => id)).toEqual(ids);
    expect(second.body.next_cursor).toBeNull();
    expect((await call('GET', '/v1/webhooks?cursor=nonsense', { as: own.admin.session })).status).toBe(400);
  });

  it('take the permission for reading and for writing, each its own', async () => {
    const { path } = await aWebhook(tenant, URL);
    const [reader, writer] = [await aMember(tenant, await aRole(tenant, ['webhook:read'])), await aMember(tenant, await aRole(tenant, ['webhook:write']))];
    const reads: [string, string][] = [['GET', '/v1/webhooks'], ['GET', path], ['GET', `${path}/deliveries`]];
    const writes: [string, string, object?][] = [['POST', '/v1/webhooks', { url: URL, events: EVENTS }], ['PATCH', path, {}], ['POST', `${path}/ping`], ['POST', `${path}/rotate-secret`, {}], ['DELETE', path]];
    for (const [method, url, body] of [...reads, ...writes]) {
      const mayRead = reads.some(([, known], index) => known === url && reads[index]?.[0] === method);
      const refused = await call(method, url, { as: (mayRead ? writer : reader).session, body });
      expect([method, url, refused.status, refused.body.permissions]).toEqual([method, url, 403, [mayRead ? 'webhook:read' : 'webhook:write']]);
      expect((await call(method, url, { as: (mayRead ? reader : writer).session, body })).status).toBeLessThan(300);
    }
  });

  it('are refused with what is wrong with them, and nothing is stored', async () => {
    const own = await aTenant();
    const bodies: [object, string][] = [
      [{ events: EVENTS }, 'url'], [{ url: 'not a url', events: EVENTS }, 'url'], [{ url: 'ftp://acme.example', events: EVENTS }, 'url'], [{ url: 'javascript:alert(1)', events: EVENTS }, 'url'],
      [{ url: 'https://user:password@acme.example', events: EVENTS }, 'url'], [{ url: 'https://acme.example/#part', events: EVENTS }, 'url'],
      [{ url: `https://acme.example/${'x'.repeat(2000)}`, events: EVENTS }, 'url'], [{ url: URL }, 'events'], [{ url: URL, events: [] }, 'events'], [{ url: URL, events: ['token.created', 'all'] }, 'events.1'],
      [{ url: URL, events: 'token.created' }, 'events'], [{ url: URL, events: EVENTS, description: 1 }, 'description'],
    ];
    for (const [body, path] of bodies) {
      const answer = await call('POST', '/v1/webhooks', { as: own.admin.session, body });
      expect([body, answer.status, answer.body.errors?.[0]?.path]).toEqual([body, 400, path]);
    }
    const { path } = await aWebhook(own, URL);
    for (const seconds of [-1, 1.5, 604_801, '60']) expect((await call('POST', `${path}/rotate-secret`, { as: own.admin.session, body: { overlap_seconds: seconds } })).status).toBe(400);
    expect((await call('GET', '/v1/webhooks', { as: own.admin.session })).body.data).toHaveLength(1);
  });

  it('are absent for another organization', async () => {
    const stranger = (await aTenant()).admin.session;
    const { id, path } = await aWebhook(tenant, URL);
    const ping = await call('POST', `${path}/ping`, { as: tenant.admin.session });
    const absent = '11111111-1111-4111-8111-111111111111';
    const shape = ({ status, text }: { status: number; text: string }): string => `${status} ${text.replace(/req-\w{14}/g, 'REQ')}`;
    for (const [method, rest, body] of [['GET', ''], ['PATCH', '', { enabled: false }], ['DELETE', ''], ['POST', '/ping'], ['POST', '/rotate-secret', {}], ['GET', '/deliveries'], ['POST', `/deliveries/${ping.body.id}/redeliver`]] as const) {
      const [theirs, nobodys] = [await call(method, `/v1/webhooks/${id}${rest}`, { as: stranger, body }), await call(method, `/v1/webhooks/${absent}${rest}`, { as: stranger, body })];
      expect([method, rest, theirs.status, shape(theirs)]).toEqual([method, rest, 404, shape(nobodys)]);
    }
    expect((await call('GET', path, { as: tenant.admin.session })).body).toMatchObject({ enabled: true, previous_secret_ends_at: null });
  });

  it('are no more than fifty', async () => {
    const own = await aTenant();
    for (let count = 0; count < 50; count += 1) await aWebhook(own, URL);
    const refused = await call('POST', '/v1/webhooks', { as: own.admin.session, body: { url: URL, events: EVENTS } });
    expect([refused.status, refused.body.code]).toEqual([403, 'limit-exceeded']);
  });
});
