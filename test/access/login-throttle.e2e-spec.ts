import { beforeAll, describe, expect, it } from 'vitest';
import { DataSource, type Logger as QueryLogger } from 'typeorm';
import { MaintenanceRunner } from '../../src/kernel/maintenance/maintenance-runner.js';
import { LoginThrottle } from '../../src/users/login-throttle.js';
import { theApp } from '../support/app.js';
import { aMember, aName, aTenant, PASSWORD, sql, type Person, type TestTenant } from '../support/builders.js';
import { call, type Answer } from '../support/call.js';
import { ownInstallation } from '../support/installation.js';

const installation = ownInstallation();
let tenant: TestTenant;
beforeAll(async () => {
  tenant = await aTenant();
});

const WRONG = 'not the passphrase of anybody';
let used = 0;
/** An IPv4 address that no other test comes from. */
const anAddress = (): string => `198.18.${Math.floor((used += 1) / 250)}.${1 + (used % 250)}`;
const login = (email: string, from: string, password = WRONG): Promise<Answer> => call('POST', '/auth/login', { body: { email, password }, from });
const enter = async ({ email }: Person, from: string): Promise<number> => (await login(email, from, PASSWORD)).status;

/** Logs in wrongly so often, one after the other; returns the statuses. */
async function fail(email: string, from: string, times: number): Promise<number[]> {
  const statuses: number[] = [];
  for (let time = 0; time < times; time += 1) statuses.push((await login(email, from)).status);
  return statuses;
}

/** Whether an attempt may be made, without the work that an attempt is. */
async function admitted(email: string, ip: string): Promise<boolean> {
  const { app } = await theApp();
  return app.get(LoginThrottle).admit({ email }, { requestId: 'req-test', ip, userAgent: null }).then(() => true, (error: { code: string }) => error.code !== 'rate-limited');
}

const times = (count: number, status: number): number[] => Array.from({ length: count }, () => status);
const shapeOf = ({ status, headers, text }: Answer): unknown => [status, headers['retry-after'], headers['content-type'], text.replace(/req-\w{14}/, 'REQ')];
const throttled = (where: { id: string }): Promise<Record<string, any>[]> =>
  sql(where, `SELECT actor_kind, target_id, ip, details FROM audit_events WHERE action = 'login.throttled' ORDER BY occurred_at`);

describe('guessing the password of one account from one address', () => {
  it('ends after ten wrong ones with 429, also for the right one, and tells when to try again', async () => {
    const { clock } = await theApp();
    clock.advance(0);
    const [person, from] = [await aMember(tenant), anAddress()];
    expect(await fail(person.email, from, 10)).toEqual(times(10, 401));
    const answer = await login(person.email, from, PASSWORD);
    expect([answer.status, answer.headers['retry-after'], answer.headers['content-type']]).toEqual([429, '901', 'application/problem+json; charset=utf-8']);
    expect(answer.body).toMatchObject({ type: 'urn:gatehouse:error:rate-limited', status: 429, code: 'rate-limited', detail: 'There were too many attempts to log in. Try again later.' });
    clock.advance(899);
    expect(await enter(person, from)).toBe(429);
    clock.advance(2);
    expect(await enter(person, from)).toBe(200);
  });

  it('is one count for all spellings of the account', async () => {
    const [person, from] = [await aMember(tenant), anAddress()];
    const { email } = person;
    const spellings = [email, ` ${email}`, `${email}  `, email.toUpperCase(), email.replace('person', 'ＰＥＲＳＯＮ'), email.replace('person', 'Person')];
    for (let time = 0; time < 10; time += 1) expect((await login(spellings[time % spellings.length] ?? '', from)).status).toBe(401);
    for (const spelling of spellings) expect([spelling, (await login(spelling, from)).status]).toEqual([spelling, 429]);
  });

  it('is answered byte for byte the same for an account that nobody has, and after the same work in the database', async () => {
    const { app, clock } = await theApp();
    clock.advance(0);
    const dataSource = app.get(DataSource);
    const { logger } = dataSource;
    let statements: string[] = [];
    const listener = { logQuery: (statement: string) => void statements.push(statement), logQueryError: () => undefined, logQuerySlow: () => undefined } as unknown as QueryLogger;
    const answers: unknown[][] = [];
    const work: string[][] = [];
    const person = await aMember(tenant);
    dataSource.setOptions({ logging: true });
    Object.assign(dataSource, { logger: listener });
    try {
      for (const email of [person.email, `${aName('nobody')}@nowhere.test`]) {
        const from = anAddress();
        statements = [];
        const own: unknown[] = [];
        for (let time = 0; time < 12; time += 1) own.push(shapeOf(await login(email, from)));
        answers.push(own);
        // What the sealer of the record does meanwhile is its own.
        work.push(statements.filter((statement) => /login_attempt|"users"|failed_login_facts|INSERT INTO "audit_events"/.test(statement)));
      }
    } finally {
      dataSource.setOptions({ logging: false });
      Object.assign(dataSource, { logger });
    }
    expect(answers[1]).toEqual(answers[0]);
    expect(work[0]?.length).toBe(12 + 10 * 3 + 2);
    expect(work[1]).toEqual(work[0]);
  });

  it('is no more in parallel than one after the other', async () => {
    const [person, from] = [await aMember(tenant), anAddress()];
    const answers = await Promise.all(times(30, 0).map(() => login(person.email, from)));
    expect(answers.map(({ status }) => status).sort()).toEqual([...times(10, 401), ...times(20, 429)]);
  });

  it('is one count for replicas whose clocks differ: one that is behind does not begin it anew', async () => {
    const { clock } = await theApp();
    const [person, from] = [await aMember(tenant), anAddress()];
    const now = clock.now();
    for (let time = 0; time < 10; time += 1) {
      clock.set(now.plusSeconds(time % 2 === 0 ? 0 : -60));
      expect((await login(person.email, from)).status).toBe(401);
    }
    for (const behind of [0, -60, -240]) {
      clock.set(now.plusSeconds(behind));
      expect(await enter(person, from)).toBe(429);
    }
  });

  it('begins afresh with every success', async () => {
    const [person, from] = [await aMember(tenant), anAddress()];
    for (let round = 0; round < 3; round += 1) {
      expect(await fail(person.email, from, 9)).toEqual(times(9, 401));
      expect(await enter(person, from)).toBe(200);
    }
  });

  it('counts an IPv6 network of 64 bits as one address, and IPv4 in the clothes of IPv6 as IPv4', async () => {
    const person = await aMember(tenant);
    for (let time = 0; time < 10; time += 1) expect((await login(person.email, `2001:db8:0:7::${time + 1}`)).status).toBe(401);
    expect(await enter(person, '2001:db8:0:7:ffff:ffff:ffff:ffff')).toBe(429);
    expect(await enter(person, '2001:db8:0:8::1')).toBe(200);
    const mapped = anAddress();
    await fail(person.email, `::ffff:${mapped}`, 10);
    expect(await enter(person, mapped)).toBe(429);
  });

  it('is counted where the password is right and the organization wrong: what was wrong is not told', async () => {
    const [person, from] = [await aMember(tenant), anAddress()];
    for (let time = 0; time < 10; time += 1) {
      expect((await call('POST', '/auth/login', { from, body: { email: person.email, password: PASSWORD, organization: 'elsewhere' } })).status).toBe(401);
    }
    expect(await enter(person, from)).toBe(429);
  });
});

describe('nobody is locked out by a stranger', () => {
  it('who guesses elsewhere: from another address, and from where they were before, the person gets in', async () => {
    const [person, home, stranger] = [await aMember(tenant), anAddress(), anAddress()];
    expect(await enter(person, home)).toBe(200);
    await fail(person.email, stranger, 11);
    expect([await enter(person, stranger), await enter(person, home), await enter(person, anAddress())]).toEqual([429, 200, 200]);
  });

  it('not even by one with many addresses: each has one guess an hour left, and the right password is one', async () => {
    const { clock } = await theApp();
    clock.advance(0);
    const [person, home] = [await aMember(tenant), anAddress()];
    await enter(person, home);
    for (let address = 0; address < 3; address += 1) expect(await fail(person.email, anAddress(), 10)).toEqual(times(10, 401));
    const [late, next] = [anAddress(), anAddress()];
    expect(await fail(person.email, late, 3)).toEqual([401, 429, 429]);
    expect([await enter(person, next), await enter(person, home)]).toEqual([200, 200]);
    expect(await fail(person.email, home, 12)).toEqual(times(12, 401));
    clock.advance(3600);
    expect(await fail(person.email, late, 2)).toEqual([401, 429]);
    clock.advance(24 * 3600);
    expect(await fail(person.email, late, 3)).toEqual(times(3, 401));
  });

  it('nor by their own haste: many logins at once from where they were before all succeed', async () => {
    const [person, home] = [await aMember(tenant), anAddress()];
    await enter(person, home);
    expect(await Promise.all(times(25, 0).map(() => enter(person, home)))).toEqual(times(25, 200));
  });

  it('who tries many accounts from one address is stopped there, except with accounts that are at home there', async () => {
    const { clock } = await theApp();
    clock.advance(0);
    const [person, guest, from] = [await aMember(tenant), await aMember(tenant), anAddress()];
    await enter(person, from);
    for (let account = 0; account < 299; account += 1) expect(await admitted(`${account}@sprayed.test`, from)).toBe(true);
    expect((await login('300@sprayed.test', from)).status).toBe(401);
    const refused = await login('301@sprayed.test', from);
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '901']);
    expect([await enter(guest, from), await enter(guest, anAddress()), await enter(person, from)]).toEqual([429, 200, 200]);
    clock.advance(901);
    expect(await enter(guest, from)).toBe(200);
  });

  it('by refused attempts of one account, which do not count against other accounts of the same address', async () => {
    const [person, other, from] = [await aMember(tenant), await aMember(tenant), anAddress()];
    await fail(person.email, from, 10);
    for (let time = 0; time < 310; time += 1) expect(await admitted(person.email, from)).toBe(false);
    expect(await enter(other, from)).toBe(200);
  });
});

describe('a throttled login', () => {
  it('is recorded once for as long as it is throttled, in the person\'s organization; of nobody, in the platform\'s', async () => {
    const own = await aTenant();
    const from = anAddress();
    await fail(own.admin.email, from, 15);
    const event = { actor_kind: 'anonymous', ip: from, details: {} };
    expect(await throttled(own)).toEqual([{ ...event, target_id: own.admin.id }]);
    expect(await sql(own, `SELECT count(*)::int AS count FROM audit_events WHERE action = 'login.failed'`)).toEqual([{ count: 10 }]);
    const before = await throttled(installation.platform);
    await Promise.all(times(15, 0).map(() => login('nobody@throttled.test', from)));
    expect((await throttled(installation.platform)).slice(before.length)).toEqual([{ ...event, target_id: null }]);
  });

  it('leaves nothing readable of who tried what from where, and nothing at all when it is over', async () => {
    const { app, clock } = await theApp();
    await fail('somebody@readable.test', '203.0.113.77', 12);
    const rows = await sql(tenant, 'SELECT to_jsonb(a)::text AS row FROM login_attempts a');
    expect(rows.length).toBeGreaterThan(0);
    for (const { row } of rows) expect(row).toMatch(/^\{"key": "\\\\x[0-9a-f]{64}", "since": "[^"]+", "refused": (true|false), "attempts": \d+, "expires_at": "[^"]+"\}$/);
    clock.advance(91 * 24 * 3600);
    expect(await app.get(MaintenanceRunner).run('login-attempts.forget')).toBeGreaterThanOrEqual(rows.length);
    expect(await sql(tenant, 'SELECT 1 FROM login_attempts')).toEqual([]);
  });
});

describe('every other place where a password is shown', () => {
  it('invitations: guesses there and at the login are one count, and a throttled one takes no attempt at the invitation', async () => {
    const other = await aTenant();
    const [person, from] = [await aMember(other), anAddress()];
    const { token } = (await call('POST', '/v1/invitations', { as: tenant.admin.session, body: { email: person.email, role: 'MEMBER' } })).body;
    const accept = (password: string, at: string): Promise<Answer> => call('POST', '/v1/invitations/accept', { body: { token, name: 'Grace', password }, from: at });
    for (let time = 0; time < 5; time += 1) expect((await accept(WRONG, from)).status).toBe(401);
    await fail(person.email, from, 5);
    for (let time = 0; time < 11; time += 1) expect((await accept(PASSWORD, from)).status).toBe(429);
    expect((await accept(PASSWORD, anAddress())).status).toBe(201);
  });

  it('changing a password: whoever has got hold of a session guesses no more than at the login', async () => {
    const [person, from] = [await aMember(tenant), anAddress()];
    const change = (current_password: string): Promise<Answer> =>
      call('POST', '/auth/password', { as: person.session, from, body: { current_password, new_password: 'kettle drum wander tortoise' } });
    for (let time = 0; time < 10; time += 1) expect((await change(WRONG)).status).toBe(400);
    expect((await change(PASSWORD)).status).toBe(429);
    expect(await enter(person, from)).toBe(429);
    expect(await enter(person, anAddress())).toBe(200);
  });

  it('organizations: the operator who names somebody as first administrator guesses no more than others', async () => {
    const person = await aMember(tenant);
    const from = anAddress();
    const create = (password: string): Promise<Answer> =>
      call('POST', '/v1/organizations', { as: installation.platform.admin.session, from, body: { slug: aName('acme'), name: 'Acme', admin: { email: person.email, password } } });
    for (let time = 0; time < 10; time += 1) expect((await create(WRONG)).status).toBe(409);
    expect((await create(PASSWORD)).status).toBe(429);
    expect(await enter(person, from)).toBe(429);
    const failed = await sql(tenant, `SELECT count(*)::int AS count FROM audit_events WHERE action = 'login.failed' AND target_id = $1`, [person.id]);
    expect(failed).toEqual([{ count: 10 }]);
  });

  it('organizations: naming them rightly makes them no more familiar where the operator is', async () => {
    const [person, from] = [await aMember(tenant), anAddress()];
    const { status } = await call('POST', '/v1/organizations', {
      as: installation.platform.admin.session, from, body: { slug: aName('acme'), name: 'Acme', admin: { email: person.email, password: PASSWORD } },
    });
    expect([status, await fail(person.email, from, 11)]).toEqual([201, [...times(10, 401), 429]]);
  });
});
