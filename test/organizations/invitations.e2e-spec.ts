import { beforeAll, describe, expect, it } from 'vitest';
import { Passwords } from '../../src/users/passwords.js';
import { PUBLIC_URL, theApp } from '../support/app.js';
import { aMember, aName, aRole, aTenant, PASSWORD, sql, type Person, type TestTenant } from '../support/builders.js';
import { call, type Answer } from '../support/call.js';

let tenant: TestTenant;
let as: string;
beforeAll(async () => {
  tenant = await aTenant();
  as = tenant.admin.session;
});

const invitations = '/v1/invitations';
const anAddress = (): string => `${aName('guest')}@invited.test`;
const invite = (body: unknown, by = as): Promise<Answer> => call('POST', invitations, { as: by, body });
const accept = (token: unknown, { name = 'Grace Guest', password = PASSWORD }: { name?: unknown; password?: unknown } = {}): Promise<Answer> =>
  call('POST', `${invitations}/accept`, { body: { token, name, password } });
const login = (email: string, organization = tenant.slug, password = PASSWORD): Promise<Answer> => call('POST', '/auth/login', { body: { email, password, organization } });
const withdraw = (id: string, by = as): Promise<Answer> => call('DELETE', `${invitations}/${id}`, { as: by });
const change = async (person: Person, body: object): Promise<Answer> => {
  const [{ id } = {}] = await sql(tenant, 'SELECT id FROM memberships WHERE user_id = $1', [person.id]);
  return call('PATCH', `/v1/members/${id as string}`, { as, body });
};

async function aToken(email = anAddress(), role = 'MEMBER', by = as): Promise<string> {
  const { status, text, body } = await invite({ email, role }, by);
  if (status !== 201) throw new Error(`inviting answered ${status}: ${text}`);
  return body.token;
}

const plain = ({ status, text, headers }: Answer): string => `${status} ${headers['www-authenticate'] as string} ${text.replace(/req-\w{14}/, 'REQ')}`;

describe('POST /v1/invitations', () => {
  it('answers 201 with a token that is shown this once, good for a week and for one person', async () => {
    const email = anAddress();
    const { status, body } = await invite({ email: ` ${email} `, role: 'MEMBER' });
    expect([status, body]).toEqual([201, {
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      email,
      role: 'MEMBER',
      invited_by: tenant.admin.id,
      created_at: expect.stringMatching(/Z$/),
      expires_at: expect.stringMatching(/Z$/),
      token: expect.stringMatching(/^inv_[0-9A-Za-z]{49}$/),
      link: `${PUBLIC_URL}/join#${body.token as string}`,
    }]);
    expect(Date.parse(body.expires_at) - Date.parse(body.created_at)).toBe(7 * 24 * 3600 * 1000);
    const listed = await call('GET', `${invitations}?limit=1`, { as });
    expect(listed.body.data).toEqual([{ id: body.id, email, role: 'MEMBER', invited_by: tenant.admin.id, created_at: body.created_at, expires_at: body.expires_at }]);
    const stored = JSON.stringify(await sql(tenant, 'SELECT to_jsonb(i) AS row FROM invitations i UNION ALL SELECT to_jsonb(a) FROM audit_events a'));
    expect(stored + (await theApp()).log.join('')).not.toContain(body.token);
    expect(await sql(tenant, 'SELECT action, actor_id, details FROM audit_events WHERE target_id = $1', [body.id])).toEqual([
      { action: 'invitation.created', actor_id: tenant.admin.id, details: { email, role: 'MEMBER', expiresAt: body.expires_at } },
    ]);
  });

  it.each([
    ['no body', undefined],
    ['nothing', {}],
    ['null', { email: null, role: null }],
    ['no address', { email: 'somebody', role: 'MEMBER' }],
    ['two addresses', { email: 'a@b.test,c@d.test b@c', role: 'MEMBER' }],
    ['an address with an invisible character', { email: 'a\u200D@b.test', role: 'MEMBER' }],
    ['an address with NUL', { email: 'a\0@b.test', role: 'MEMBER' }],
    ['an address too long', { email: `${'x'.repeat(320)}@b.test`, role: 'MEMBER' }],
    ['a list of addresses', { email: ['a@b.test'], role: 'MEMBER' }],
    ['no role', { email: 'a@b.test' }],
  ])('refuses %s with 400', async (_, body) => {
    expect((await invite(body)).status).toBe(400);
  });

  it('refuses a role that is unknown here, and one that allows more than the inviter holds', async () => {
    const [other, email] = [await aTenant(), anAddress()];
    const [role] = await sql(other, 'SELECT id FROM roles WHERE key = $1', [await aRole(other, [])]);
    expect((await invite({ email, role: role?.['id'] })).status).toBe(404);
    expect((await invite({ email, role: 'nobody' })).status).toBe(404);
    const inviter = await aMember(tenant, await aRole(tenant, ['invitation:write', 'token:read', 'token:write', 'token:introspect']));
    const refused = await invite({ email, role: await aRole(tenant, ['token:read', 'project:read']) }, inviter.session);
    expect([refused.status, refused.body.permissions]).toEqual([403, ['project:read']]);
    expect((await invite({ email, role: await aRole(tenant, ['token:*']) }, inviter.session)).body.permissions).toEqual(['token:*']);
    expect((await invite({ email, role: await aRole(tenant, ['token:read']) }, inviter.session)).status).toBe(201);
    expect((await invite({ email, role: 'EXTERNAL' }, (await aMember(tenant)).session)).body.permissions).toEqual(['invitation:write']);
  });

  it('is for people: a token of nobody cannot invite, a person\'s can', async () => {
    const [role] = await sql(tenant, `SELECT id FROM roles WHERE key = $1`, [await aRole(tenant, ['invitation:write'])]);
    const empty = await aRole(tenant, []);
    const mint = async (personal: boolean): Promise<string> => (await call('POST', '/api/v1/token', { as, body: { name: aName('key'), personal, role_id: role?.['id'] } })).body.api_token;
    expect((await invite({ email: anAddress(), role: empty }, await mint(false))).body.code).toBe('caller-refused');
    expect((await invite({ email: anAddress(), role: empty }, await mint(true))).status).toBe(201);
    expect((await invite({ email: anAddress(), role: 'MEMBER' }, await mint(true))).status).toBe(403);
  });

  it('says the same of an address that is known elsewhere as of one that is not, and that a member is one', async () => {
    const other = await aTenant();
    const [known, unknown] = [await invite({ email: other.admin.email, role: 'MEMBER' }), await invite({ email: anAddress(), role: 'MEMBER' })];
    expect([known.status, Object.keys(known.body)]).toEqual([unknown.status, Object.keys(unknown.body)]);
    const member = await aMember(tenant);
    expect((await invite({ email: ` ${member.email.toUpperCase()}`, role: 'MEMBER' })).status).toBe(409);
  });

  it('replaces the invitation to the same address, however it is spelled', async () => {
    const email = anAddress();
    const [first, second] = [await invite({ email, role: 'MEMBER' }), await invite({ email: email.toUpperCase(), role: 'EXTERNAL' })];
    expect((await accept(first.body.token)).status).toBe(401);
    expect((await withdraw(first.body.id)).status).toBe(404);
    expect((await accept(second.body.token)).body.role).toBe('EXTERNAL');
    expect(await sql(tenant, 'SELECT action, details FROM audit_events WHERE target_id = $1 AND action <> $2', [first.body.id, 'invitation.created'])).toEqual([
      { action: 'invitation.revoked', details: { reason: 'replaced' } },
    ]);
  });

  it('ends at 200 that are open', async () => {
    const own = await aTenant();
    await sql(own, `INSERT INTO invitations (organization_id, id, email, email_canonical, role_id, secret_hash, pepper_id, created_at, created_by, expires_at)
      SELECT $1::uuid, gen_random_uuid(), n || '@x.test', n || '@x.test', (SELECT id FROM roles WHERE key = 'MEMBER'), sha256((n || $1::uuid::text)::bytea), 'x', now(), $2, now() + interval '1 day'
        FROM generate_series(1, 199) n`, [own.id, own.admin.id]);
    expect((await invite({ email: anAddress(), role: 'MEMBER' }, own.admin.session)).status).toBe(201);
    expect((await invite({ email: anAddress(), role: 'MEMBER' }, own.admin.session)).body.code).toBe('limit-exceeded');
    expect((await invite({ email: '7@x.test', role: 'MEMBER' }, own.admin.session)).status).toBe(201);
  });
});

describe('GET and DELETE /v1/invitations', () => {
  it('page through those that are open, newest first', async () => {
    const own = await aTenant();
    const made: string[] = [];
    for (let count = 0; count < 3; count += 1) made.unshift((await invite({ email: anAddress(), role: 'MEMBER' }, own.admin.session)).body.id);
    await withdraw(made[1] ?? '', own.admin.session);
    const first = (await call('GET', `${invitations}?limit=1`, { as: own.admin.session })).body;
    const second = (await call('GET', `${invitations}?limit=1&cursor=${first.next_cursor}`, { as: own.admin.session })).body;
    expect([...first.data, ...second.data].map(({ id }: { id: string }) => id)).toEqual([made[0], made[2]]);
    expect(second.next_cursor).toBeNull();
    expect((await call('GET', `${invitations}?cursor=x`, { as })).status).toBe(400);
  });

  it('make a token worthless at once, and know nothing of another organization\'s', async () => {
    const [other, { id, token }] = [await aTenant(), (await invite({ email: anAddress(), role: 'MEMBER' })).body];
    expect((await withdraw(id, other.admin.session)).status).toBe(404);
    expect((await call('GET', invitations, { as: other.admin.session })).body.data).toEqual([]);
    expect((await withdraw(id)).status).toBe(204);
    expect((await withdraw(id)).status).toBe(404);
    expect((await accept(token)).status).toBe(401);
    for (const bad of ['x', '%00', "'", 'accept']) expect((await withdraw(bad)).status).toBe(404);
  });
});

describe('POST /v1/invitations/accept', () => {
  it('creates somebody new with their password and makes them a member, who then logs in', async () => {
    const email = anAddress();
    const { status, body } = await accept(await aToken(email, 'EXTERNAL'));
    expect([status, body]).toEqual([201, {
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      user_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      email,
      name: 'Grace Guest',
      role: 'EXTERNAL',
      status: 'active',
      organization: { id: tenant.id, slug: tenant.slug, name: tenant.slug },
    }]);
    expect((await login(email)).body.user).toEqual({ id: body.user_id, email, name: 'Grace Guest' });
    expect((await call('GET', `/v1/members/${body.id}`, { as })).body).toMatchObject({ user_id: body.user_id, role: 'EXTERNAL' });
    const events = await sql(tenant, `SELECT actor_id, details FROM audit_events WHERE action = 'invitation.accepted' AND actor_id = $1`, [body.user_id]);
    expect(events).toEqual([{ actor_id: body.user_id, details: { member: body.id, user: body.user_id, role: 'EXTERNAL', invitedBy: tenant.admin.id } }]);
  });

  it('lets nobody new choose a password that is short, common or made of names, and says the same of somebody known; the invitation stays good', async () => {
    const email = anAddress();
    const { token } = (await invite({ email, role: 'MEMBER' })).body;
    const known = (await invite({ email: (await aTenant()).admin.email, role: 'MEMBER' })).body.token;
    for (const [password, message] of [['fourteen bytes', /^must have 15 to 1024 bytes$/], ['PasswordPassword', /^is too common/], [`${tenant.slug}2026!!`, /^is too easy/], ['GraceGuest202611', /^is too easy/]] as const) {
      const answers = [await accept(token, { password }), await accept(known, { password })];
      expect(answers.map(({ status, body }) => [status, body.errors])).toEqual(Array(2).fill([400, [{ path: 'password', message: expect.stringMatching(message) }]]));
    }
    expect((await accept(token, { password: 'fifteen bytes !' })).status).toBe(201);
  });

  it('lets somebody in who is known, with the password they have; name and password stay theirs', async () => {
    const other = await aTenant();
    const { status, body } = await accept(await aToken(other.admin.email), { name: 'Another Name' });
    expect([status, body.user_id, body.name]).toEqual([201, other.admin.id, 'Ada Admin']);
    expect((await login(other.admin.email)).body.organization.id).toBe(tenant.id);
    expect((await login(other.admin.email, other.slug)).status).toBe(200);
  });

  it('answers alike to a wrong password of somebody known and to every token that is worth nothing', async () => {
    const other = await aTenant();
    const { clock } = await theApp();
    const [used, live] = [await aToken(), await aToken(other.admin.email)];
    await accept(used);
    const withdrawn = await invite({ email: anAddress(), role: 'MEMBER' });
    await withdraw(withdrawn.body.id);
    const answers = [await accept(live, { password: `${PASSWORD}!` }), await accept(used), await accept(withdrawn.body.token), await accept(`inv_${'0'.repeat(49)}`), await accept('x'), await accept(tenant.admin.refreshToken)];
    const late = await aToken();
    clock.advance(7 * 24 * 3600);
    answers.push(await accept(late));
    expect(new Set(answers.map(plain)).size).toBe(1);
    expect(answers[0]?.status).toBe(401);
    expect((await login(other.admin.email)).status).toBe(401);
  });

  it('does the same work whether the address is known or not, so that time does not tell', async () => {
    const other = await aTenant();
    const passwords = (await theApp()).app.get(Passwords);
    const done: string[] = [];
    const [hash, matches] = [passwords.hash.bind(passwords), passwords.matches.bind(passwords)];
    passwords.hash = (password) => (done.push('hash'), hash(password));
    passwords.matches = (password, against) => (done.push('compare'), matches(password, against));
    try {
      for (const [email, password] of [[other.admin.email, 'a wrong password'], [other.admin.email, PASSWORD], [anAddress(), PASSWORD]] as const) {
        const token = await aToken(email);
        done.length = 0;
        await accept(token, { password });
        expect([email, done]).toEqual([email, ['compare', 'hash']]);
      }
    } finally {
      Object.assign(passwords, { hash, matches });
    }
  });

  it('works once, also when it comes several times at once', async () => {
    const email = anAddress();
    const token = await aToken(email);
    const answers = await Promise.all([1, 2, 3].map(() => accept(token)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 401, 401]);
    expect((await accept(token)).status).toBe(401);
  });

  it('is no place to guess a password: after ten attempts, however many at once, the right one does not help', async () => {
    const other = await aTenant();
    const token = await aToken(other.admin.email);
    const guesses = await Promise.all(Array.from({ length: 12 }, (_, count) => accept(token, { password: `a wrong password ${count}` })));
    expect(new Set(guesses.map(({ status }) => status))).toEqual(new Set([401]));
    expect((await accept(token)).status).toBe(401);
    const recorded = await sql(other, `SELECT target_id, details FROM audit_events WHERE action = 'login.failed'`);
    expect(recorded).toEqual(Array(10).fill({ target_id: other.admin.id, details: { reason: 'credentials' } }));
  });

  it('lets nobody in by somebody who could not invite them now: demoted, disabled, removed, or in a role that was cut or has grown', async () => {
    const inviters = async (role: string): Promise<Person> => aMember(tenant, role);
    const cut = await aRole(tenant, ['invitation:write', 'token:read']);
    const grown = await aRole(tenant, ['token:read']);
    const cases: [string, Person, string, (inviter: Person) => Promise<unknown>][] = [
      ['demoted', await inviters('ADMIN'), 'MEMBER', (inviter) => change(inviter, { role: 'MEMBER' })],
      ['disabled', await inviters('ADMIN'), 'MEMBER', (inviter) => change(inviter, { status: 'disabled' })],
      ['removed', await inviters('ADMIN'), 'MEMBER', async (inviter) => call('DELETE', `/v1/members/${(await sql(tenant, 'SELECT id FROM memberships WHERE user_id = $1', [inviter.id]))[0]?.['id'] as string}`, { as })],
      ['cut', await inviters(cut), grown, () => call('PATCH', `/v1/roles/${cut}`, { as, body: { permissions: ['invitation:write'] } })],
      ['grown', await inviters(await aRole(tenant, ['invitation:write', 'token:read'])), grown, () => call('PATCH', `/v1/roles/${grown}`, { as, body: { permissions: ['token:read', 'project:write'] } })],
    ];
    for (const [what, inviter, role, narrow] of cases) {
      const email = anAddress();
      const token = await aToken(email, role, inviter.session);
      await narrow(inviter);
      expect([what, (await accept(token)).status, (await login(email)).status]).toEqual([what, 401, 401]);
      if (what === 'disabled') {
        await change(inviter, { status: 'active' });
        expect((await accept(token)).status).toBe(201);
      }
    }
  });

  it('lets nobody into an organization that is suspended', async () => {
    const own = await aTenant();
    const token = await aToken(anAddress(), 'MEMBER', own.admin.session);
    await sql(own, 'UPDATE organizations SET suspended_at = now()');
    expect((await accept(token)).status).toBe(401);
    await sql(own, 'UPDATE organizations SET suspended_at = NULL');
    expect((await accept(token)).status).toBe(201);
  });

  it('says so to somebody who is a member meanwhile, and takes somebody back who was removed, afresh', async () => {
    const person = await aMember(tenant, 'ADMIN');
    const memberId = async (): Promise<string> => (await sql(tenant, 'SELECT id FROM memberships WHERE user_id = $1', [person.id]))[0]?.['id'] as string;
    const before = await memberId();
    await call('DELETE', `/v1/members/${before}`, { as });
    const token = await aToken(person.email, 'EXTERNAL');
    expect((await accept(token)).body).toMatchObject({ user_id: person.id, role: 'EXTERNAL' });
    expect(await memberId()).not.toBe(before);
    expect((await call('GET', '/auth/me', { as: person.session })).status).toBe(401);
    const early = await aMember(tenant);
    await sql(tenant, `INSERT INTO invitations (organization_id, id, email, email_canonical, role_id, secret_hash, pepper_id, created_at, created_by, expires_at)
      SELECT organization_id, gen_random_uuid(), $1, $1, role_id, sha256('x'), 'x', created_at, created_by, expires_at FROM invitations LIMIT 1`, [early.email]);
    await sql(tenant, 'UPDATE memberships SET removed_at = now() WHERE user_id = $1', [early.id]);
    const late = await aToken(early.email);
    await sql(tenant, 'UPDATE memberships SET removed_at = NULL WHERE user_id = $1', [early.id]);
    expect((await accept(late)).body.code).toBe('conflict');
  });

  it.each([
    ['no body', undefined],
    ['nothing', {}],
    ['other types', { token: 5, name: [], password: {} }],
    ['an empty password', { token: 'inv_x', name: 'x', password: '' }],
    ['a password of 1025 bytes', { token: 'inv_x', name: 'x', password: 'x'.repeat(1025) }],
    ['an empty name', { token: 'inv_x', name: '', password: PASSWORD }],
    ['a name with an invisible character', { token: 'inv_x', name: 'a\u202eb', password: PASSWORD }],
    ['a token of 513 characters', { token: 'x'.repeat(513), name: 'x', password: PASSWORD }],
  ])('refuses %s with 400', async (_, body) => {
    expect((await call('POST', `${invitations}/accept`, { body })).status).toBe(400);
  });

  it('is told apart from other secrets: an invitation opens nothing else', async () => {
    const token = await aToken();
    expect((await call('GET', '/auth/me', { as: token })).status).toBe(401);
    expect((await call('POST', '/auth/refresh', { body: { refresh_token: token } })).status).toBe(401);
    expect((await accept(tenant.admin.refreshToken)).status).toBe(401);
  });
});
