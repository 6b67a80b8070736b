import { beforeAll, describe, expect, it } from 'vitest';
import { aTenant, sql, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { DOORS_UNDER_TEST, mint } from '../support/doors.js';

let tenant: TestTenant;
let as: string;
beforeAll(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
});

async function aToken(): Promise<{ id: string; secret: string }> {
  const { secret } = await mint(DOORS_UNDER_TEST[0], tenant);
  return { id: (await introspect(as, secret))['jti'], secret };
}
const rotate = (id: string) => call('POST', `/v1/tokens/${id}/rotate`, { as, body: { overlap_seconds: 0 } });
const use = async (secret: string): Promise<number> => (await call('GET', '/auth/me', { as: secret })).status;
const times = <T>(count: number, work: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: count }, work));
const countOf = async (id: string, action: string): Promise<number> =>
  Number((await sql(tenant, 'SELECT count(*) FROM audit_events WHERE target_id = $1 AND action = $2', [id, action]))[0]?.['count']);

describe('at once', () => {
  it('many first uses complete a rotation exactly once, and none of them is refused', async () => {
    const { id, secret } = await aToken();
    const next = (await rotate(id)).body.secret;
    expect(await times(20, () => use(next))).toEqual(Array(20).fill(200));
    expect(await countOf(id, 'token.rotation-completed')).toBe(1);
    expect([await use(secret), await use(next)]).toEqual([401, 200]);
  });

  it('many rotations leave one secret that waits, and uses of the others neither work nor complete anything', async () => {
    const { id, secret } = await aToken();
    const answers = await times(12, () => rotate(id));
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200));
    expect(await sql(tenant, 'SELECT count(*) FROM token_secrets WHERE token_id = $1', [id])).toEqual([{ count: '2' }]);
    const statuses = await Promise.all(answers.map(({ body }) => use(body.secret)));
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(await countOf(id, 'token.rotation-completed')).toBe(1);
    expect(await use(secret)).toBe(401);
  });

  it('a rotation and the first use of the secret it would cancel end in one of the two orders', async () => {
    for (let round = 0; round < 8; round += 1) {
      const { id, secret } = await aToken();
      const first = (await rotate(id)).body.secret;
      const [used, rotated] = await Promise.all([use(first), rotate(id)]);
      const second = rotated.body.secret;
      expect([rotated.status, await use(first), await use(secret)]).toEqual([200, used, used === 200 ? 401 : 200]);
      expect([await use(second), await use(first), await use(secret)]).toEqual([200, 401, 401]);
    }
  });

  it('many presentations of a replaced secret raise one alarm', async () => {
    const { id, secret } = await aToken();
    await use((await rotate(id)).body.secret);
    expect(await times(20, () => use(secret))).toEqual(Array(20).fill(401));
    expect(await countOf(id, 'token.reuse-detected')).toBe(1);
  });
});
