import { beforeAll, describe, expect, it } from 'vitest';
import { aMember, aName, aTenant, PASSWORD, sql, type TestTenant } from '../support/builders.js';
import { call, type Answer } from '../support/call.js';

const members = '/v1/members';
const invitations = '/v1/invitations';
const idOf = async (person: { id: string }, of: { id: string }): Promise<string> =>
  (await sql(of, 'SELECT id FROM memberships WHERE user_id = $1', [person.id]))[0]?.['id'] as string;
const change = async (person: { id: string }, body: unknown, by: string, of: TestTenant): Promise<Answer> => call('PATCH', `${members}/${await idOf(person, of)}`, { as: by, body });

describe('the last administrator', () => {
  it('is left when both of two step down at the same time: exactly one may', async () => {
    for (let round = 0; round < 6; round += 1) {
      const own = await aTenant();
      const second = await aMember(own, 'ADMIN');
      const answers = await Promise.all([change(own.admin, { role: 'MEMBER' }, own.admin.session, own), change(second, { role: 'MEMBER' }, second.session, own)]);
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    }
  });

  it.each([
    ['demote', { role: 'MEMBER' }],
    ['disable', { status: 'disabled' }],
    ['remove', null],
  ])('is left when two administrators %s each other at the same time: exactly one succeeds', async (_, body) => {
    for (let round = 0; round < 6; round += 1) {
      const own = await aTenant();
      const second = await aMember(own, 'ADMIN');
      const [first, other] = [await idOf(own.admin, own), await idOf(second, own)];
      const act = (id: string, by: string): Promise<Answer> => call(body ? 'PATCH' : 'DELETE', `${members}/${id}`, { as: by, ...(body && { body }) });
      const answers = await Promise.all([act(other, own.admin.session), act(first, second.session)]);
      const [done = 0, refused = 0] = answers.map(({ status }) => status).sort();
      // The slower one may find itself demoted, disabled or removed before it is even asked what it wants.
      expect([done < 300, [401, 403, 409].includes(refused)]).toEqual([true, true]);
      const [{ count } = {}] = await sql(own, `SELECT count(*)::int AS count FROM memberships m JOIN roles r ON r.id = m.role_id
        WHERE r.key = 'ADMIN' AND m.disabled_at IS NULL AND m.removed_at IS NULL`);
      expect(count).toBe(1);
    }
  });
});

describe('accepting an invitation', () => {
  let as: string;
  beforeAll(async () => {
    as = (await aTenant()).admin.session;
  });

  it('and withdrawing it at the same time: one of both', async () => {
    for (let round = 0; round < 6; round += 1) {
      const { id, token } = (await call('POST', invitations, { as, body: { email: `${aName('guest')}@invited.test`, role: 'MEMBER' } })).body;
      const [accepted, withdrawn] = await Promise.all([
        call('POST', `${invitations}/accept`, { body: { token, name: 'Grace Guest', password: PASSWORD } }),
        call('DELETE', `${invitations}/${id}`, { as }),
      ]);
      expect([[201, 404], [401, 204]]).toContainEqual([accepted.status, withdrawn.status]);
    }
  });
});

describe('deleting a role', () => {
  it('and giving it to somebody at the same time: one of both is refused', async () => {
    const as = (await aTenant()).admin.session;
    for (let round = 0; round < 8; round += 1) {
      const key = aName('role');
      const { id } = (await call('POST', '/v1/roles', { as, body: { key, name: key, permissions: ['token:read'] } })).body;
      const [deleted, minted] = await Promise.all([
        call('DELETE', `/v1/roles/${id}`, { as }),
        call('POST', '/api/v1/token', { as, body: { name: aName('key'), personal: false, role_id: id } }),
      ]);
      expect([[204, 404], [409, 200]]).toContainEqual([deleted.status, minted.status]);
    }
  });
});
