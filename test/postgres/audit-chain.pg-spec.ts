import { generateKeyPairSync, sign } from 'node:crypto';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { canonicalJson, CHAIN_START, linkHash } from '../../src/audit/audit-chain.js';
import { AuditSealer } from '../../src/audit/audit-sealer.js';
import { openServer, type OpenDatabase } from '../../src/kernel/database/open-database.js';
import { OrganizationsService } from '../../src/organizations/organizations.service.js';
import { Passwords } from '../../src/users/passwords.js';
import { checkpointsOf, eventsOf, linesOf, verify } from '../support/audit.js';
import { aName, PASSWORD } from '../support/builders.js';
import { aScratchDatabase, asOwner, TEST_SERVER_URL, type ScratchDatabase } from '../support/database.js';
import { anApplication } from '../support/instance.js';

const KEY = 'a-key-0123456789-abcdefghijklmnopqrstuvwxyz';

let scratch: ScratchDatabase;
let database: OpenDatabase;
let replicas: NestFastifyApplication[];
beforeAll(async () => {
  scratch = await aScratchDatabase(TEST_SERVER_URL ?? '');
  database = await openServer(scratch.url);
  replicas = [await aReplica(), await aReplica()];
});
afterAll(async () => {
  for (const replica of replicas) await replica.close();
  await scratch.drop();
});

async function aReplica(on = database): Promise<NestFastifyApplication> {
  const replica = await anApplication(on, [KEY]);
  Object.assign(replica.get(Passwords), { cost: 4 });
  return replica;
}

interface Organization {
  readonly id: string;
  readonly session: string;
}

async function anOrganization(replica = replicas[0]): Promise<Organization> {
  const slug = aName('org');
  const email = `admin@${slug}.test`;
  const { organization } = await replica.get(OrganizationsService).create({ slug, name: slug, admin: { email, name: 'Ada Admin', password: PASSWORD } });
  const login = await replica.inject({ method: 'POST', url: '/auth/login', payload: { email, password: PASSWORD } });
  return { id: organization.id, session: login.json<{ access_token: string }>().access_token };
}

const ask = (replica: NestFastifyApplication, method: 'GET' | 'POST', url: string, { session }: Organization) =>
  replica.inject({ method, url, headers: { authorization: `Bearer ${session}` }, ...(method === 'POST' && { payload: {} }) });

async function exported(organization: Organization, replica = replicas[0]): Promise<string> {
  const { statusCode, body } = await ask(replica, 'GET', '/v1/audit-events/export', organization);
  if (statusCode !== 200) throw new Error(`the export answered ${statusCode}: ${body}`);
  return body;
}

/** A record of a few checkpoints and of events enough to do harm to. */
async function aRecord(replica = replicas[0]): Promise<Organization & { readonly length: number; readonly before: string }> {
  const organization = await anOrganization(replica);
  let before = '';
  for (let count = 0; count < 3; count += 1) {
    for (let time = 0; time < 3; time += 1) await ask(replica, 'POST', '/user/api-tokens', organization);
    before = await exported(organization, replica);
  }
  return { ...organization, length: eventsOf(linesOf(before)).length, before };
}

/** As the superuser, with whom nothing of what the database checks counts. */
const tamper = (work: (client: Client) => Promise<unknown>, url = scratch.url): Promise<unknown> =>
  asOwner(url, async (client) => {
    await client.query('SET session_replication_role = replica');
    await work(client);
  });

describe('sealers on several replicas', () => {
  it('make one gapless chain of all that happens at once, each event once, and export it proven', async () => {
    const organizations = [await anOrganization(), await anOrganization()];
    const sealers = replicas.map((replica) => replica.get(AuditSealer));
    let busy = true;
    const sealing = Promise.all(sealers.map(async (sealer) => {
      while (busy) await sealer.sealAll();
    }));
    const statuses = new Set<number>();
    for (let wave = 0; wave < 15; wave += 1) {
      const calls = [0, 1, 2, 3, 4, 5, 6, 7].map((index) => ask(replicas[index % 2], 'POST', '/user/api-tokens', organizations[index >> 2]));
      for (const { statusCode } of await Promise.all(calls)) statuses.add(statusCode);
    }
    busy = false;
    await sealing;
    expect(statuses).toEqual(new Set([201]));
    for (const organization of organizations) {
      const texts = await Promise.all(replicas.map((replica) => exported(organization, replica)));
      const text = texts.sort((left, right) => left.length - right.length).at(-1) ?? '';
      const verdict = await verify({ text });
      expect([verdict.status, verdict.said]).toEqual([0, expect.stringContaining('PROVEN')]);
      const rows = await asOwner(scratch.url, (client) => client.query<{ events: string; links: string; last: string; distinct: string; waiting: string }>(
        `SELECT (SELECT count(*) FROM audit_events WHERE organization_id = $1) AS events, count(*) AS links, max(sequence) AS last, count(DISTINCT event_id) AS distinct,
                (SELECT count(*) FROM unsealed_audit_events WHERE organization_id = $1) AS waiting FROM audit_links WHERE organization_id = $1`, [organization.id]));
      const [{ events = '', links, last, distinct, waiting } = {}] = rows.rows;
      expect([links, last, distinct, waiting]).toEqual([events, events, events, '0']);
    }
  });

  it('seal what the database holds, be it read or remembered from writing it', async () => {
    const names = ['plain', 'é ü 𝄞 \u2028 \u007f', '"quoted" \\u0000 \\ \n\t\r\u001f', '</script>', '', '0'];
    for (const sealer of replicas) {
      const organization = await anOrganization(replicas[0]);
      for (const name of names) {
        const { statusCode } = await replicas[0].inject({
          method: 'POST', url: '/auth/v1/method/token', payload: { name, description: name, expiresAt: '2099-12-31T23:59:59.123456Z', metadata: { [name]: name } },
          headers: { authorization: `Bearer ${organization.session}`, 'user-agent': 'ünter "der" Agent' },
        });
        expect([name, statusCode]).toEqual([name, 200]);
      }
      await sealer.get(AuditSealer).sealAll();
      const { status, said } = await verify({ text: await exported(organization) });
      expect([status, said]).toEqual([0, expect.stringContaining('PROVEN')]);
    }
  });

  it('are never more than about a second behind, without being asked', async () => {
    const organization = await anOrganization();
    const started = performance.now();
    for (;;) {
      const { rows } = await asOwner(scratch.url, (client) => client.query('SELECT 1 FROM unsealed_audit_events WHERE organization_id = $1', [organization.id]));
      if (rows.length === 0) break;
      expect(performance.now() - started).toBeLessThan(5_000);
    }
    const { rows } = await asOwner(scratch.url, (client) => client.query('SELECT 1 FROM audit_links WHERE organization_id = $1', [organization.id]));
    expect(rows.length).toBeGreaterThan(1);
  });

  it('do not make changes wait: an organization that is being sealed is changed meanwhile', async () => {
    const organization = await anOrganization();
    await asOwner(scratch.url, async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT pg_advisory_xact_lock(471121, hashtext($1))', [organization.id]);
      const { statusCode } = await ask(replicas[0], 'POST', '/user/api-tokens', organization);
      expect(statusCode).toBe(201);
      for (const replica of replicas) await replica.get(AuditSealer).sealAll();
      await client.query('COMMIT');
    });
    expect((await verify({ text: await exported(organization) })).status).toBe(0);
  });
});

/** Where the owner of the database does harm: behind the first checkpoint, before the last. */
const PLACE = 6;

describe('what the owner of the database does to a record is found and named:', () => {
  const eventAt = (sequence: number) => `(SELECT event_id FROM audit_links WHERE organization_id = $1 AND sequence = ${sequence})`;

  it.each<[string, string, string]>([
    ['a changed action', `UPDATE audit_events SET action = 'token.forgotten' WHERE id = ${eventAt(PLACE)}`, 'changed-event'],
    ['a changed actor', `UPDATE audit_events SET actor_id = gen_random_uuid() WHERE id = ${eventAt(PLACE)}`, 'changed-event'],
    ['a changed time', `UPDATE audit_events SET occurred_at = occurred_at + interval '1 microsecond' WHERE id = ${eventAt(PLACE)}`, 'changed-event'],
    ['a changed detail', `UPDATE audit_events SET details = details || '{"name":"x"}' WHERE id = ${eventAt(PLACE)}`, 'changed-event'],
    ['an added value before', `UPDATE audit_events SET before = '{}' WHERE id = ${eventAt(PLACE)}`, 'changed-event'],
    ['a changed address', `UPDATE audit_events SET ip = '192.0.2.1' WHERE id = ${eventAt(PLACE)}`, 'changed-event'],
    ['an event of another organization', `UPDATE audit_events SET organization_id = gen_random_uuid() WHERE id = ${eventAt(PLACE)}`, 'missing-event'],
    ['a deleted event', `DELETE FROM audit_events WHERE id = ${eventAt(PLACE)}`, 'missing-event'],
    ['a deleted link', `DELETE FROM audit_links WHERE organization_id = $1 AND sequence = ${PLACE}`, 'missing-event'],
    ['a deleted event with its link', `WITH link AS (DELETE FROM audit_links WHERE organization_id = $1 AND sequence = ${PLACE} RETURNING event_id) DELETE FROM audit_events e USING link WHERE e.id = link.event_id`, 'missing-event'],
    ['a deleted last link, its checkpoint left', `DELETE FROM audit_links WHERE organization_id = $1 AND sequence = LENGTH`, 'missing-event'],
    ['a forged hash', `UPDATE audit_links SET hash = sha256('x') WHERE organization_id = $1 AND sequence = ${PLACE}`, 'forged-hash'],
    ['a forged last hash', `UPDATE audit_links SET hash = sha256('x') WHERE organization_id = $1 AND sequence = LENGTH`, 'forged-hash'],
  ])('%s', async (_, statement, kind) => {
    const organization = await aRecord();
    const place = statement.includes('LENGTH') ? organization.length : PLACE;
    await tamper((client) => client.query(statement.replace('LENGTH', String(organization.length)), [organization.id]));
    const { status, said } = await verify({ text: await exported(organization) });
    expect([status, said.split('\n')[1]]).toEqual([1, expect.stringMatching(new RegExp(`^  at sequence ${place}(, event [0-9a-f-]{36})?: ${kind}: `))]);
  });

  it.each<[string, string, string]>([
    ['a token\'s event that is changed before it is sealed', `UPDATE audit_events SET actor_id = gen_random_uuid() WHERE organization_id = $1 AND action = 'token.minted'`, 'changed-event'],
    ['a token\'s event that is deleted before it is sealed', `DELETE FROM audit_events WHERE organization_id = $1 AND action = 'token.minted'`, 'missing-event'],
  ])('%s', async (_, statement, kind) => {
    const organization = await anOrganization();
    // Nobody seals by themselves meanwhile, nor is still at it.
    const sealers = replicas.map((replica) => replica.get(AuditSealer));
    const timers = sealers.map((sealer) => vi.spyOn(sealer, 'sealAll').mockResolvedValue());
    for (const sealer of sealers) await (Reflect.get(sealer, 'round') as Promise<void>);
    await ask(replicas[0], 'POST', '/user/api-tokens', organization);
    await tamper((client) => client.query(statement, [organization.id]));
    const { said } = await verify({ text: await exported(organization) });
    for (const timer of timers) timer.mockRestore();
    expect(said).toContain(`: ${kind}: `);
  });

  it('two events in each other\'s place', async () => {
    const organization = await aRecord();
    await tamper(async (client) => {
      const { rows } = await client.query<{ event_id: string }>('SELECT event_id FROM audit_links WHERE organization_id = $1 AND sequence IN (6, 8) ORDER BY sequence', [organization.id]);
      const [six, eight] = rows.map((row) => row.event_id);
      const point = 'UPDATE audit_links SET event_id = $3 WHERE organization_id = $1 AND sequence = $2';
      await client.query(point, [organization.id, 6, '00000000-0000-4000-8000-000000000000']);
      await client.query(point, [organization.id, 8, six]);
      await client.query(point, [organization.id, 6, eight]);
    });
    expect((await verify({ text: await exported(organization) })).said).toContain('at sequence 6, event');
    expect((await verify({ text: await exported(organization) })).said).toContain('reordered: the event');
  });

  it('two links in each other\'s place', async () => {
    const organization = await aRecord();
    await tamper(async (client) => {
      const move = 'UPDATE audit_links SET sequence = $3 WHERE organization_id = $1 AND sequence = $2';
      for (const [from, to] of [[6, 1_000_000], [8, 6], [1_000_000, 8]]) await client.query(move, [organization.id, from, to]);
    });
    expect((await verify({ text: await exported(organization) })).said).toMatch(/at sequence 6, event [0-9a-f-]{36}: reordered: the event [0-9a-f-]{36}, which stands at 8, belongs here/);
  });

  it('a stripped last checkpoint: the sealer signs what it seals, and not what it finds', async () => {
    const organization = await aRecord();
    const last = checkpointsOf(linesOf(organization.before)).at(-1);
    await tamper((client) => client.query('DELETE FROM audit_checkpoints WHERE organization_id = $1 AND sequence = $2', [organization.id, organization.length]));
    const { status, said } = await verify({ text: await exported(organization) });
    expect([status, said]).toEqual([1, expect.stringMatching(new RegExp(`at sequence ${last?.first_sequence}, event [0-9a-f-]{36}: missing-checkpoint: `))]);
  });

  it('a history written anew with all its hashes, with the checkpoints left, and with them stripped', async () => {
    for (const stripped of [false, true]) {
      const organization = await aRecord();
      const last = checkpointsOf(linesOf(organization.before)).at(-1);
      const from = last?.first_sequence ?? 0;
      await tamper(async (client) => {
        await client.query(`UPDATE audit_events SET action = 'nothing.happened' WHERE id = ${eventAt(from)}`, [organization.id]);
        const events = eventsOf(linesOf(organization.before));
        let hash: Buffer = Buffer.from((events[from - 2]).hash, 'hex');
        for (const { sequence, event } of events.slice(from - 1)) {
          hash = linkHash(hash, canonicalJson({ ...event, ...(sequence === from && { action: 'nothing.happened' }) }));
          await client.query('UPDATE audit_links SET hash = $3 WHERE organization_id = $1 AND sequence = $2', [organization.id, sequence, hash]);
        }
        if (stripped) await client.query('DELETE FROM audit_checkpoints WHERE organization_id = $1 AND sequence >= $2', [organization.id, from]);
      });
      const { status, said } = await verify({ text: await exported(organization) });
      expect([status, said]).toEqual([1, expect.stringMatching(new RegExp(`at sequence ${from}, event [0-9a-f-]{36}: ${stripped ? 'missing-checkpoint' : 'changed-event'}: `))]);
    }
  });

  it('a whole record signed anew with a key of the owner\'s own', async () => {
    const organization = await aRecord();
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await tamper(async (client) => {
      await client.query(`INSERT INTO signing_keys VALUES ('the-owners-key-1', 'ES256', $1, '\\x00', 'x', now(), now(), now())`, [JSON.stringify(publicKey.export({ format: 'jwk' }))]);
      await client.query(`UPDATE audit_events SET action = 'nothing.happened' WHERE id = ${eventAt(1)}`, [organization.id]);
      let hash = CHAIN_START;
      const lines = linesOf(organization.before);
      for (const { sequence, event } of eventsOf(lines)) {
        hash = linkHash(hash, canonicalJson({ ...event, ...(sequence === 1 && { action: 'nothing.happened' }) }));
        await client.query('UPDATE audit_links SET hash = $3 WHERE organization_id = $1 AND sequence = $2', [organization.id, sequence, hash]);
        const checkpoint = checkpointsOf(lines).find((each) => each.sequence === sequence);
        if (!checkpoint) continue;
        const { type, organization_id, first_sequence, signed_at } = checkpoint;
        const statement = canonicalJson({ type, organization_id, first_sequence, sequence, hash: hash.toString('hex'), signed_at });
        const signature = sign('sha256', Buffer.from(statement), { key: privateKey, dsaEncoding: 'ieee-p1363' });
        await client.query(`UPDATE audit_checkpoints SET hash = $3, key_id = 'the-owners-key-1', signature = $4 WHERE organization_id = $1 AND sequence = $2`, [organization.id, sequence, hash, signature]);
      }
    });
    const { status, said } = await verify({ text: await exported(organization) });
    expect([status, said]).toEqual([1, expect.stringContaining('unknown-key')]);
  });

  it('a link of the owner\'s own, with the right hash', async () => {
    const organization = await aRecord();
    const sequence = organization.length + 1;
    await tamper(async (client) => {
      const id = '11111111-1111-4111-8111-111111111111';
      const event = { id, organization_id: organization.id, occurred_at: '2026-11-22T10:00:00.000000Z', action: 'invented', actor_kind: 'system', actor_id: null, credential_kind: null,
        credential_id: null, target_kind: 'x', target_id: null, details: {}, before: null, after: null, ip: null, user_agent: null, request_id: null };
      await client.query(`INSERT INTO audit_events (organization_id, id, occurred_at, action, actor_kind, target_kind, details) VALUES ($1, $2, $3, 'invented', 'system', 'x', '{}')`, [organization.id, id, event.occurred_at]);
      const hash = linkHash(Buffer.from(eventsOf(linesOf(organization.before)).at(-1)?.hash ?? '', 'hex'), canonicalJson(event));
      await client.query('INSERT INTO audit_links VALUES ($1, $2, $3, $4)', [organization.id, sequence, id, hash]);
    });
    const { status, said } = await verify({ text: await exported(organization) });
    expect([status, said]).toEqual([1, expect.stringMatching(new RegExp(`at sequence ${sequence}, event 11111111-1111-4111-8111-111111111111: missing-checkpoint: `))]);
  });

  const cutBackTo = (organization: Organization, sequence: number, url?: string) => tamper(async (client) => {
    await client.query('DELETE FROM audit_events e USING audit_links l WHERE l.organization_id = $1 AND l.sequence > $2 AND e.id = l.event_id', [organization.id, sequence]);
    for (const table of ['audit_links', 'audit_checkpoints']) await client.query(`DELETE FROM ${table} WHERE organization_id = $1 AND sequence > $2`, [organization.id, sequence]);
  }, url);

  it('an end that was cut off whole, while a replica runs that had sealed it', async () => {
    const organization = await aRecord();
    const [first] = checkpointsOf(linesOf(organization.before)).slice(-2);
    await cutBackTo(organization, first.sequence);
    const { status, said } = await verify({ text: await exported(organization) });
    expect([status, said]).toEqual([1, expect.stringContaining(`at sequence ${first.sequence + 1}: missing-event: `)]);
  });

  it('an end that was cut off whole while no replica ran, against an earlier export', async () => {
    const own = await aScratchDatabase(TEST_SERVER_URL ?? '');
    try {
      const on = await openServer(own.url);
      const before = await aReplica(on);
      const organization = await aRecord(before);
      await before.close();
      const [first] = checkpointsOf(linesOf(organization.before));
      await cutBackTo(organization, first.sequence, own.url);
      const after = await aReplica(on);
      const text = await exported(organization, after);
      for (let count = 0; count < organization.length; count += 1) await ask(after, 'POST', '/user/api-tokens', organization);
      const longer = await exported(organization, after);
      await after.close();
      expect((await verify({ text })).status).toBe(0);
      const earlier = organization.before;
      expect((await verify({ text, earlier }, '--earlier', 'earlier')).said).toContain('missing-event: an earlier export has the events up to');
      expect((await verify({ longer, earlier }, '--earlier', 'earlier')).said).toContain('changed-event: an earlier export ends here with another hash');
    } finally {
      await own.drop();
    }
  });
});

it('the service\'s own role can add to the record and nothing else', async () => {
  const organization = await aRecord();
  await asOwner(scratch.url, async (client) => {
    await client.query('SET ROLE gatehouse_app');
    await client.query(`SELECT set_config('gatehouse.organization_id', $1, false)`, [organization.id]);
    for (const table of ['audit_events', 'audit_links', 'audit_checkpoints']) {
      for (const statement of [`UPDATE ${table} SET organization_id = organization_id`, `DELETE FROM ${table}`, `TRUNCATE ${table} CASCADE`]) {
        expect([statement, await client.query(statement).then(() => 'done', (error: { code: string }) => error.code)]).toEqual([statement, '42501']);
      }
    }
  });
  expect((await verify({ text: await exported(organization) })).status).toBe(0);
});

it('the owner changes nothing of the record by mistake', async () => {
  const organization = await aRecord();
  await asOwner(scratch.url, async (client) => {
    for (const table of ['audit_events', 'audit_links', 'audit_checkpoints']) {
      for (const statement of [`UPDATE ${table} SET organization_id = organization_id`, `DELETE FROM ${table}`, `TRUNCATE ${table} CASCADE`]) {
        expect([statement, await client.query(statement).then(() => 'done', (error: { message: string }) => error.message)]).toEqual([statement, `${table} is only added to`]);
      }
    }
    const gone = client.query('DELETE FROM organizations WHERE id = $1', [organization.id]);
    await expect(gone).rejects.toMatchObject({ code: '23503' });
    const nowhere = client.query(`INSERT INTO audit_events (organization_id, id, occurred_at, action, actor_kind, target_kind, details)
      VALUES (gen_random_uuid(), gen_random_uuid(), now(), 'test', 'system', 'test', '{}')`);
    await expect(nowhere).rejects.toMatchObject({ code: '23503' });
  });
  expect((await verify({ text: await exported(organization) })).status).toBe(0);
});
