import { beforeAll, describe, expect, it } from 'vitest';
import { aTenant, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';

describe('POST /user/api-tokens', () => {
  let tenant: TestTenant;
  beforeAll(async () => {
    tenant = await aTenant();
  });

  const create = (body: unknown) => call('POST', '/user/api-tokens', { as: tenant.admin.session, body });

  it('answers 201 with the fields of the vendor\'s document and no other', async () => {
    const { status, headers, body } = await create({ description: 'My API token', expiresAt: '2031-01-01T00:00:00+00:00' });
    expect(status).toBe(201);
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    expect(body).toEqual({
      id: expect.stringMatching(/^[A-Z0-9]{20}$/),
      token: expect.stringMatching(/^api_[0-9A-Za-z]{49}$/),
      description: 'My API token',
      expiresAt: '2031-01-01T00:00:00+00:00',
    });
  });

  it('requires nothing: an empty object is a token that never expires', async () => {
    const { status, body } = await create({});
    expect([status, body.description, body.expiresAt]).toEqual([201, null, null]);
    expect(await introspect(tenant.admin.session, body.token)).toMatchObject({ active: true, owner_kind: 'user', owner_id: tenant.admin.id });
  });
});
