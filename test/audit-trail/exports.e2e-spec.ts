import { beforeAll, describe, expect, it, vi } from 'vitest';
import { canonicalJson, CHAIN_START, linkHash } from '../../src/audit/audit-chain.js';
import type { EventLine, ExportLine } from '../../src/audit/export-lines.js';
import { SpeltEvents } from '../../src/audit/spelt-events.js';
import { theApp } from '../support/app.js';
import { checkpointsOf, endOf, eventsOf, exported, headerOf, linesOf, toText, verify } from '../support/audit.js';
import { aMember, aTenant, sql, type TestTenant } from '../support/builders.js';
import { call } from '../support/call.js';

beforeAll(() => aTenant());

/** Makes an organization's record longer, a checkpoint at a time. */
async function aRecord(tenant: TestTenant, exports = 2): Promise<string> {
  for (let count = 0; count < exports; count += 1) {
    for (let time = 0; time < 3; time += 1) await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: { description: `number ${count}.${time}` } });
    await exported(tenant.admin.session);
  }
  return exported(tenant.admin.session);
}

describe('an export as NDJSON', () => {
  it('holds every event of the organization once, in the order of its sequence, with the hash that follows from the one before', async () => {
    const tenant = await aTenant();
    const { headers } = await call('GET', '/v1/audit-events/export', { as: tenant.admin.session });
    expect([headers['content-type'], headers['content-disposition']]).toEqual(['application/x-ndjson', `attachment; filename*=UTF-8''audit-${tenant.slug}.ndjson`]);
    const lines = linesOf(await aRecord(tenant));
    const events = eventsOf(lines);
    const known = await sql<{ id: string }>(tenant, 'SELECT id FROM audit_events');
    expect(new Set(events.map(({ event_id: id }) => id))).toEqual(new Set(known.map(({ id }) => id)));
    expect(events.map(({ sequence }) => sequence)).toEqual(known.map((_, index) => index + 1));
    let hash = CHAIN_START;
    for (const line of events) {
      hash = linkHash(hash, canonicalJson(line.event));
      expect(line.hash).toBe(hash.toString('hex'));
    }
    expect(endOf(lines)).toMatchObject({ type: 'end', organization_id: tenant.id, events: known.length, hash: hash.toString('hex') });
    expect(checkpointsOf(lines).length).toBeGreaterThan(1);
    expect(events[0]?.event).toMatchObject({ action: 'organization.created', actor_kind: 'system' });
  });

  it('lacks nothing of what its process forgets while it reads the rest', async () => {
    const tenant = await aTenant();
    const spelt = (await theApp()).app.get(SpeltEvents);
    await call('POST', '/user/api-tokens', { as: tenant.admin.session, body: { description: 'noted' } });
    const noted = spelt.of.bind(spelt);
    const asked = new Set<string>();
    const forgetful = vi.spyOn(spelt, 'of').mockImplementation((id) => (asked.has(id) ? undefined : (asked.add(id), noted(id))));
    const text = await exported(tenant.admin.session);
    forgetful.mockRestore();
    expect(eventsOf(linesOf(text)).map(({ event }) => event?.['action'])).toContain('token.minted');
    expect((await verify({ text })).status).toBe(0);
  });

  it('is recorded itself, as its own last event', async () => {
    const tenant = await aTenant();
    const events = eventsOf(linesOf(await exported(tenant.admin.session)));
    expect(events.at(-1)?.event).toMatchObject({ action: 'audit.exported', actor_id: tenant.admin.id, target_kind: 'organization', target_id: tenant.id, details: { format: 'ndjson' } });
    expect(events.filter(({ event }) => event?.['action'] === 'audit.exported')).toHaveLength(1);
  });

  it('says an event in the words of the list', async () => {
    const tenant = await aTenant();
    const [line] = eventsOf(linesOf(await exported(tenant.admin.session))).slice(-1) as [EventLine];
    const { body } = await call('GET', '/v1/audit-events?action=audit.exported', { as: tenant.admin.session });
    expect(body.data).toEqual([{ ...line.event, sequence: line.sequence, hash: line.hash }]);
  });

  it('brings the public keys it was signed with, and no private half', async () => {
    const tenant = await aTenant();
    const { keys } = headerOf(linesOf(await exported(tenant.admin.session)));
    const published = (await call('GET', '/.well-known/jwks.json')).body.keys;
    expect(published).toEqual(expect.arrayContaining(keys.map((key) => expect.objectContaining(key))));
    expect(keys.flatMap((key) => Object.keys(key)).filter((name) => ['d', 'p', 'q', 'k'].includes(name))).toEqual([]);
  });

  it('comes in batches, each event once, however long it is', async () => {
    const tenant = await aTenant();
    await sql(tenant, `INSERT INTO audit_events (organization_id, id, occurred_at, action, actor_kind, target_kind, details)
      SELECT $1, gen_random_uuid(), now(), 'test.many', 'system', 'test', jsonb_build_object('number', n) FROM generate_series(1, 1700) n`, [tenant.id]);
    const text = await exported(tenant.admin.session);
    const numbers = eventsOf(linesOf(text)).filter(({ event }) => event?.['action'] === 'test.many').map(({ event }) => (event?.['details'] as { number: number }).number);
    expect(numbers).toEqual(Array.from({ length: 1700 }, (_, index) => index + 1));
    expect((await verify({ text })).status).toBe(0);
  });

  it.each(['xml', 'CSV', ''])('refuses the format %j', async (format) => {
    const tenant = await aTenant();
    const { status, body } = await call('GET', `/v1/audit-events/export?format=${format}`, { as: tenant.admin.session });
    expect([status, body.errors[0].path]).toEqual([400, 'format']);
    expect(await sql(tenant, `SELECT 1 FROM audit_events WHERE action = 'audit.exported'`)).toEqual([]);
  });
});

describe('audit:verify', () => {
  let tenant: TestTenant;
  let text: string;
  let lines: ExportLine[];
  let jwks: string;
  beforeAll(async () => {
    tenant = await aTenant();
    text = await aRecord(tenant);
    lines = linesOf(text);
    jwks = (await call('GET', '/.well-known/jwks.json')).text;
  });

  /** The export with its lines changed by hand. */
  const tampered = (change: (lines: any[]) => void): string => {
    const copy = structuredClone(lines) as any[];
    change(copy);
    return toText(copy);
  };
  const at = (all: any[], sequence: number): number => all.findIndex((line) => line.type === 'event' && line.sequence === sequence);

  it('proves what the service exported, and says what it proved', async () => {
    const { status, said } = await verify({ text, jwks }, '--keys', 'jwks');
    const events = eventsOf(lines);
    expect([status, said.split('\n')]).toEqual([
      0,
      [
        `PROVEN: ${events.length} events of organization ${tenant.id}, complete and unchanged`,
        `  sequence     1 to ${events.length}`,
        `  checkpoints  ${checkpointsOf(lines).length} verified, the last at sequence ${events.length}`,
        `  exported at  ${headerOf(lines).exported_at}`,
        `  last hash    ${endOf(lines).hash}`,
        `  signed with  ${endOf(lines).key_id} (from --keys)`,
        '',
      ],
    ]);
    expect((await verify({ text })).said).toContain('from the export itself: pass --keys');
  });

  it('reads a file that was written again with other spacing, order of members and escapes: the canonical form counts', async () => {
    const rewritten = lines.map((line) => JSON.stringify(Object.fromEntries(Object.entries(line).reverse())).replaceAll('t', '\\u0074')).join('\n');
    expect((await verify({ rewritten })).status).toBe(0);
  });

  const faults: [string, (all: any[]) => void, string, number, boolean][] = [
    ['a changed field', (all) => { all[at(all, 4)].event.action = 'token.forgotten'; }, 'changed-event', 4, true],
    ['a changed detail', (all) => { all[at(all, 4)].event.details.name = 'x'; }, 'changed-event', 4, true],
    ['an added member', (all) => { all[at(all, 4)].event.note = 'x'; }, 'changed-event', 4, true],
    ['a changed last event', (all) => { all[at(all, eventsOf(lines).length)].event.details.format = 'csv'; }, 'changed-event', -1, true],
    ['an event under another event\'s id', (all) => { all[at(all, 4)].event_id = all[at(all, 5)].event_id; }, 'changed-event', 4, true],
    ['an event that is gone, its link still there', (all) => { all[at(all, 4)].event = null; }, 'missing-event', 4, true],
    ['a line that is gone', (all) => { all.splice(at(all, 4), 1); }, 'missing-event', 4, false],
    ['the first line of an event gone', (all) => { all.splice(at(all, 1), 1); }, 'missing-event', 1, false],
    ['two events in each other\'s place', (all) => { const [a, b] = [at(all, 4), at(all, 6)]; [all[a].event, all[b].event] = [all[b].event, all[a].event]; [all[a].event_id, all[b].event_id] = [all[b].event_id, all[a].event_id]; }, 'reordered', 4, true],
    ['two links in each other\'s place', (all) => { const [a, b] = [at(all, 4), at(all, 6)]; [all[a].sequence, all[b].sequence] = [6, 4]; [all[a], all[b]] = [all[b], all[a]]; }, 'reordered', 4, true],
    ['two lines in each other\'s place', (all) => { const [a, b] = [at(all, 4), at(all, 5)]; [all[a], all[b]] = [all[b], all[a]]; }, 'reordered', 4, true],
    ['a line twice', (all) => { all.splice(at(all, 4), 0, structuredClone(all[at(all, 3)])); }, 'reordered', 4, true],
    ['a forged hash', (all) => { all[at(all, 4)].hash = 'f'.repeat(64); }, 'forged-hash', 4, true],
    ['a forged last hash', (all) => { all[at(all, eventsOf(lines).length)].hash = 'f'.repeat(64); }, 'forged-hash', -1, true],
    ['a history written anew', (all) => {
      let hash: Buffer = Buffer.from(all[at(all, 3)].hash, 'hex');
      all[at(all, 4)].event.actor_id = null;
      for (let sequence = 4; sequence <= eventsOf(lines).length; sequence += 1) all[at(all, sequence)].hash = (hash = linkHash(hash, canonicalJson(all[at(all, sequence)].event))).toString('hex');
    }, 'changed-event', -2, true],
    ['a checkpoint that is gone', (all) => { all.splice(all.findIndex(({ type }) => type === 'checkpoint'), 1); }, 'missing-checkpoint', 1, true],
    ['the last checkpoint gone', (all) => { all.splice(all.findLastIndex(({ type }) => type === 'checkpoint'), 1); }, 'missing-checkpoint', -3, true],
    ['a checkpoint with another hash', (all) => { all.find(({ type }) => type === 'checkpoint').hash = 'f'.repeat(64); }, 'wrong-signature', -4, true],
    ['a checkpoint of another time', (all) => { all.find(({ type }) => type === 'checkpoint').signed_at = '2020-01-01T00:00:00.000000Z'; }, 'wrong-signature', -4, true],
    ['a signature of another checkpoint', (all) => { const [a, b] = all.filter(({ type }) => type === 'checkpoint'); a.signature = b.signature; }, 'wrong-signature', -4, true],
    ['an unknown key', (all) => { all.find(({ type }) => type === 'checkpoint').key_id = 'AAAAAAAAAAAAAAAA'; }, 'unknown-key', -4, true],
    ['no end', (all) => { all.pop(); }, 'cut-off', -1, true],
    ['an end of fewer events', (all) => { all.at(-1).events -= 1; }, 'wrong-signature', -1, true],
  ];

  it.each(faults)('finds %s and names it', async (_, change, kind, place, named) => {
    const events = eventsOf(lines);
    const [first, ...others] = checkpointsOf(lines);
    const last = others.at(-1);
    const places: Record<string, number | undefined> = { '-1': events.length, '-2': checkpointsOf(lines).find(({ sequence }) => sequence >= 4)?.first_sequence, '-3': last?.first_sequence, '-4': first?.sequence };
    const sequence = places[String(place)] ?? place;
    const { status, said } = await verify({ text: tampered(change), jwks }, '--keys', 'jwks');
    const [, where = ''] = said.split('\n');
    expect([status, where]).toEqual([1, expect.stringMatching(new RegExp(`^  at sequence ${sequence}${named ? ', event [0-9a-f-]{36}' : ''}: ${kind}: `))]);
  });

  it('is not talked round by cutting the file short and writing another end', async () => {
    const cut = tampered((all) => {
      const second = all.findIndex(({ type, sequence }) => type === 'checkpoint' && sequence > 3);
      all.splice(second + 1, all.length - second - 2);
      Object.assign(all.at(-1), { events: all[second].sequence, hash: all[second].hash });
    });
    const { status, said } = await verify({ cut });
    expect([status, said]).toEqual([1, expect.stringContaining('wrong-signature: the end of the export is not what was signed')]);
  });

  it('believes no key of the export when it is given others', async () => {
    const { status, said } = await verify({ text, none: '{"keys":[]}' }, '--keys', 'none');
    expect([status, said]).toEqual([1, expect.stringContaining('unknown-key')]);
  });

  it('proves that an export continues an earlier one, and finds out where it does not', async () => {
    const later = await exported(tenant.admin.session);
    const proven = await verify({ later, text }, '--earlier', 'text');
    expect([proven.status, proven.said]).toEqual([0, expect.stringContaining(`continues    the earlier export of ${headerOf(lines).exported_at}, which ends at sequence ${eventsOf(lines).length}`)]);
    const shorter = await verify({ text, later }, '--earlier', 'later');
    expect([shorter.status, shorter.said]).toEqual([1, expect.stringContaining(`at sequence ${eventsOf(lines).length + 1}: missing-event`)]);
    const foreign = await exported((await aTenant()).admin.session);
    expect((await verify({ text, foreign }, '--earlier', 'foreign')).status).toBe(1);
  });

  it.each([
    ['nothing', ''],
    ['no JSON', 'PROVEN\n'],
    ['a JSON value that is no line', '[]\n42\n'],
    ['an event before the header', '{"type":"event","sequence":1,"hash":"' + '0'.repeat(64) + '","event_id":"00000000-0000-4000-8000-000000000000","event":{}}\n'],
    ['a name of Object.prototype as type', '{"type":"constructor"}\n'],
  ])('refuses %s', async (_, nonsense) => {
    expect((await verify({ nonsense })).status).toBe(1);
  });

  it('answers 2 and says how it is used, or what cannot be read', async () => {
    expect(await verify({})).toEqual({ status: 2, said: expect.stringContaining('ENOENT') });
    expect((await verify({ text }, 'one-more')).said).toContain('npm run audit:verify -- <export.ndjson>');
    expect(await verify({ text }, '--unknown')).toEqual({ status: 2, said: expect.stringContaining('--unknown') });
    expect(await verify({ text, broken: 'x' }, '--keys', 'broken')).toEqual({ status: 2, said: expect.stringContaining('is no key set') });
  });
});

describe('names from outside', () => {
  const NASTY = ['=cmd|\' /C calc\'!A0', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', 'two\r\nlines', 'line\u2028separator\u2029s', '\u001b[31mred', '"quoted",and more', '<script>alert(1)</script>', '＝1'];

  async function withNasty(): Promise<TestTenant> {
    const tenant = await aTenant();
    for (const [index, text] of NASTY.entries()) {
      await sql(tenant, `INSERT INTO audit_events (organization_id, id, occurred_at, action, actor_kind, target_kind, details, user_agent)
        VALUES ($1, gen_random_uuid(), now(), 'test.nasty', 'system', 'test', $2, $3)`, [tenant.id, JSON.stringify({ index, name: text }), text]);
    }
    return tenant;
  }

  it('stay data in NDJSON, and the chain holds', async () => {
    const text = await exported((await withNasty()).admin.session);
    const events = eventsOf(linesOf(text)).filter(({ event }) => event?.['action'] === 'test.nasty');
    expect(events.map(({ event }) => [event?.['user_agent'], (event?.['details'] as { name: string }).name])).toEqual(NASTY.map((name) => [name, name]));
    expect(text).not.toMatch(/[\u2028\u2029\u001b\r]/);
    expect((await verify({ text })).status).toBe(0);
  });

  it('are no formulas in CSV: every cell is quoted, and one that would be taken for a formula gets an apostrophe', async () => {
    const tenant = await withNasty();
    const { headers, text } = await call('GET', '/v1/audit-events/export?format=csv', { as: tenant.admin.session });
    expect(headers['content-type']).toBe('text/csv; charset=utf-8');
    const rows = readCsv(text);
    const column = (name: string): number => rows[0]?.indexOf(name) ?? -1;
    expect(rows[0]).toEqual(['sequence', 'hash', 'event_id', 'organization_id', 'occurred_at', 'action', 'actor_kind', 'actor_id', 'credential_kind', 'credential_id',
      'target_kind', 'target_id', 'details', 'before', 'after', 'ip', 'user_agent', 'request_id']);
    expect(new Set(rows.map((row) => row.length))).toEqual(new Set([18]));
    const nasty = rows.filter((row) => row[column('action')] === 'test.nasty');
    expect(nasty.map((row) => row[column('user_agent')])).toEqual(NASTY.map((name) => (/^[=+\-@\t\r＝]/.test(name) ? `'${name}` : name)));
    expect(nasty.map((row) => (JSON.parse(row[column('details')] ?? '') as { name: string }).name)).toEqual(NASTY);
    expect(rows.flat().filter((cell) => /^[=+\-@\t\r]/.test(cell))).toEqual([]);
    const links = await sql<{ sequence: string; hash: Buffer }>(tenant, 'SELECT sequence, hash FROM audit_links ORDER BY sequence');
    expect(rows.slice(1).map((row) => [row[0], row[1]])).toEqual(links.map(({ sequence, hash }) => [sequence, hash.toString('hex')]));
    expect(rows.at(-1)?.[column('details')]).toBe('{"format":"csv"}');
  });
});

it('holds no secret of all that happened', async () => {
  const tenant = await aTenant();
  const as = tenant.admin.session;
  const person = await aMember(tenant);
  const minted = (await call('POST', '/user/api-tokens', { as, body: {} })).body.token as string;
  await call('POST', '/auth/login', { body: { email: person.email, password: 'a-wrong-password' } });
  await call('POST', '/auth/refresh', { body: { refresh_token: person.refreshToken } });
  await call('POST', '/auth/refresh', { body: { refresh_token: person.refreshToken } });
  await call('GET', '/v1/tokens', { as: minted });
  const text = (await exported(as)) + (await call('GET', '/v1/audit-events/export?format=csv', { as })).text;
  for (const secret of [minted, person.refreshToken, 'a-wrong-password', person.session, as]) expect(text).not.toContain(secret.slice(-40));
});

/** RFC 4180, without mercy. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  const cell = /("(?:[^"]|"")*"|)(,|\r\n)/gy;
  let place = 0;
  for (let match = cell.exec(text); match; match = cell.exec(text)) {
    const [whole, value = '', end] = match;
    place += whole.length;
    rows.at(-1)?.push(value.slice(1, -1).replaceAll('""', '"'));
    if (end === '\r\n') rows.push([]);
  }
  if (place !== text.length) throw new Error(`no CSV at ${place}: ${text.slice(place, place + 40)}`);
  return rows.slice(0, -1);
}
