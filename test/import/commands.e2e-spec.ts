import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import initialize from 'sql.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FLIPT } from '../../src/import/flipt-source.js';
import { UNLEASH } from '../../src/import/unleash-source.js';
import { theApp } from '../support/app.js';
import { aMember, aRole, aTenant, PASSWORD, sql, type TestTenant } from '../support/builders.js';
import { call, introspect } from '../support/call.js';
import { aFreePort } from '../support/free-port.js';
import { aFliptRow, FLIPT_TABLE, inNamespace, loginOf, named, run, stored, tracesOf, type FliptRow, type Run } from '../support/importing.js';
import { ownInstallation } from '../support/installation.js';

ownInstallation();
let folder: string;
let tenant: TestTenant;
let gatehouse: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'import-'));
  gatehouse = await (await theApp()).app.listen(0, '127.0.0.1').then(async () => (await theApp()).app.getUrl());
  tenant = await aTenant();
});
afterAll(() => rm(folder, { recursive: true }));

/** An SQLite file with what Flipt would have in it. */
async function aFliptFile(rows: readonly FliptRow[]): Promise<string> {
  const { Database } = await initialize();
  const database = new Database();
  database.run(FLIPT_TABLE);
  for (const [index, { id, secret, method, metadata, expiresAt }] of rows.entries()) {
    database.run('INSERT INTO authentications VALUES (?, ?, ?, ?, ?, ?, ?)', [id, stored(secret), method, metadata, expiresAt, ...Array<string>(2).fill(`2024-02-20 13:39:14.${100_000 + index}+00:00`)]);
  }
  const path = join(folder, `${crypto.randomUUID()}.db`);
  await writeFile(path, database.export());
  database.close();
  return path;
}

const importing = (from: string, words: readonly string[] = [], environment = loginOf(tenant)): Promise<Run> => run(FLIPT, ['--from', from, '--to', gatehouse, ...words], environment);
const isActive = async (secret: string): Promise<boolean> => (await introspect(tenant.admin.session, secret)).active;
const counted = async (): Promise<unknown[]> => [await sql(tenant, 'SELECT count(*) FROM api_tokens'), await sql(tenant, 'SELECT count(*) FROM audit_events')];

describe('import:flipt', () => {
  it('brings tokens along: they verify with the secrets they have, and keep what they were', async () => {
    const plain = aFliptRow(named('checkout', { 'io.flipt.auth.token.description': 'of the tills', 'io.flipt.auth.role': 'editor', 'no key of ours': 'x' }));
    const [limited, ending] = [aFliptRow({ ...named('reader'), ...inNamespace('default') }), aFliptRow(null, { expiresAt: '2099-01-31 12:00:00.25+00:00' })];
    const result = await importing(await aFliptFile([plain, limited, ending]));
    expect(result).toEqual({ status: 0, said: 'imported: 3, there already: 0, not taken: 0\n', complained: '3 of 3\n' });
    expect((await call('GET', '/auth/v1/self', { as: plain.secret })).status).toBe(200);
    const { jti: id, ...facts } = await introspect(tenant.admin.session, plain.secret);
    expect(facts).toMatchObject({ active: true, scope: 'auth-method:token:read auth-method:token:write', owner_kind: 'auth-method' });
    expect((await call('GET', `/v1/tokens/${id}`, { as: tenant.admin.session })).body).toMatchObject({
      name: 'checkout', description: 'of the tills', expires_at: null, metadata: { 'source': 'flipt', 'source_id': plain.id, 'io.flipt.auth.role': 'editor' },
    });
    expect(await introspect(tenant.admin.session, limited.secret)).toMatchObject({ active: true, scope: '', projects: ['default'] });
    expect(await introspect(tenant.admin.session, ending.secret)).toMatchObject({ active: true, exp: Date.parse('2099-01-31T12:00:00Z') / 1_000 });
  });

  it('says of each token that it does not take why, and takes the others', async () => {
    const good = aFliptRow(named('good'));
    const past = aFliptRow(named('past'), { expiresAt: '2020-01-01 00:00:00+00:00' });
    const [nowhere, odd, timeless] = [aFliptRow(inNamespace('no-such-project')), aFliptRow('[]'), aFliptRow({}, { expiresAt: 'some day' })];
    const session = aFliptRow(named('of a person'), { method: 2 });
    const { status, said } = await importing(await aFliptFile([past, nowhere, good, odd, timeless, session]));
    const lines = said.trim().split('\n');
    expect([status, lines.length, lines.at(-1)]).toEqual([1, 5, 'imported: 1, there already: 0, not taken: 4']);
    expect(lines).toEqual(expect.arrayContaining([
      `not taken: ${odd.id}: its metadata is no JSON object`,
      `not taken: ${timeless.id} "": its expires_at is no time`,
      expect.stringMatching(`^not taken: ${past.id} "past": .*(expired|past)`),
      expect.stringMatching(`^not taken: ${nowhere.id} "": .*project`),
    ]));
    expect(await Promise.all([good, past, nowhere, odd, timeless, session].map(({ secret }) => isActive(secret)))).toEqual([true, false, false, false, false, false]);
  });

  it('takes other names of projects and other permissions when told', async () => {
    const limited = aFliptRow(inNamespace('production'));
    const { status } = await importing(await aFliptFile([limited]), ['--project', 'production=default', '--permissions', 'token:read, profile:read']);
    expect(status).toBe(0);
    expect(await introspect(tenant.admin.session, limited.secret)).toMatchObject({ active: true, projects: ['default'], scope: expect.stringContaining('token:read') });
  });

  it('changes nothing in a dry run, and tells what would become of each token', async () => {
    const [good, past] = [aFliptRow(named('good')), aFliptRow(named('past'), { expiresAt: '2020-01-01 00:00:00+00:00' })];
    const file = await aFliptFile([good, past]);
    // Whoever logs in is recorded, in a dry run as well.
    const environment = { GATEHOUSE_TOKEN: tenant.admin.session };
    const before = await counted();
    const { status, said } = await importing(file, ['--dry-run'], environment);
    expect([status, said.trim().split('\n').at(-1)]).toEqual([1, 'would be imported: 1, there already: 0, not taken: 1']);
    expect([await counted(), await isActive(good.secret)]).toEqual([before, false]);
    expect((await importing(file, [], environment)).said).toContain('imported: 1, there already: 0, not taken: 1');
  });

  it('can be run again: what was imported is there already, though it has been revoked', async () => {
    const rows = [aFliptRow(), aFliptRow()];
    const file = await aFliptFile(rows);
    await importing(file);
    const { jti: id } = await introspect(tenant.admin.session, rows[0]?.secret ?? '');
    await call('DELETE', `/v1/tokens/${id}`, { as: tenant.admin.session });
    expect(await importing(file)).toMatchObject({ status: 0, said: 'imported: 0, there already: 2, not taken: 0\n' });
    expect(await Promise.all(rows.map(({ secret }) => isActive(secret)))).toEqual([false, true]);
  });

  it('prints no secret, no hash and nothing of the credential, whatever happens', async () => {
    const rows = [aFliptRow(named('good')), aFliptRow('[]'), aFliptRow(inNamespace('nowhere')), aFliptRow({}, { expiresAt: 'some day' })];
    const file = await aFliptFile(rows);
    const runs = [
      await importing(file, ['--dry-run']),
      await importing(file),
      await importing(file),
      await importing(file, [], { ...loginOf(tenant), GATEHOUSE_PASSWORD: 'a wrong password' }),
      await importing(file, [], { GATEHOUSE_TOKEN: 'a-wrong-token-of-some-length' }),
      await importing('mysql://flipt:a wrong password@127.0.0.1/flipt'),
      await importing('flipt:a wrong password@127.0.0.1/flipt'),
      await run(FLIPT, [file, 'a wrong password'], loginOf(tenant)),
      await run(FLIPT, ['--from', file, '--to', 'ftp://me:a wrong password@127.0.0.1'], loginOf(tenant)),
    ];
    expect(runs.map(({ status }) => status)).toEqual([1, 1, 1, 2, 2, 2, 2, 2, 2]);
    const printed = runs.map(({ said, complained }) => said + complained).join('');
    for (const trace of [...rows.flatMap(({ secret }) => tracesOf(secret)), PASSWORD, 'a wrong password', 'a-wrong-token']) expect(printed).not.toContain(trace);
  });

  it('ends with 2 where the database cannot be read, and says why', async () => {
    const [empty, inUse] = [join(folder, 'empty.db'), await aFliptFile([aFliptRow()])];
    await writeFile(empty, '');
    await writeFile(`${inUse}-wal`, 'changes that are not in the file');
    await writeFile(join(folder, 'text.db'), 'this is no database at all, but it is long enough to be one'.repeat(20));
    for (const [from, why] of [
      [join(folder, 'absent.db'), 'ENOENT'],
      [empty, 'no such table: authentications'],
      [join(folder, 'text.db'), 'file is not a database'],
      [inUse, 'is in use'],
      [`file://${inUse}?cache=shared`, 'is in use'],
      ['mysql://127.0.0.1/flipt', 'of the kind mysql cannot be read'],
      [`postgres://postgres@127.0.0.1:${await aFreePort()}/flipt`, 'ECONNREFUSED'],
    ] as const) expect(await importing(from)).toEqual({ status: 2, said: '', complained: expect.stringContaining(why) });
    expect(await run(UNLEASH, ['--from', empty, '--to', gatehouse], loginOf(tenant))).toMatchObject({ status: 2, complained: expect.stringContaining('PostgreSQL') });
  });

  it('ends with 2 where Gatehouse is not there or does not let it in, and says why', async () => {
    const row = aFliptRow();
    const file = await aFliptFile([row]);
    const nobody = await aMember(tenant, await aRole(tenant, ['profile:read']));
    const answers = [
      await importing(file, [], { ...loginOf(tenant), GATEHOUSE_PASSWORD: 'a wrong password' }),
      await importing(file, ['--organization', 'no-such-organization']),
      await importing(file, [], { GATEHOUSE_TOKEN: 'nothing' }),
      await importing(file, [], { GATEHOUSE_TOKEN: nobody.session }),
      await run(FLIPT, ['--from', file, '--to', `http://127.0.0.1:${await aFreePort()}`], loginOf(tenant)),
    ];
    expect(answers.map(({ status, said }) => [status, said])).toEqual(Array.from({ length: 5 }, () => [2, '']));
    const complaints = answers.map(({ complained }) => complained);
    expect(complaints).toEqual([expect.stringMatching(/^no login: 401 /), expect.stringMatching(/^no login: 40\d /), expect.stringMatching(/^401 /), expect.stringMatching(/^403 /), expect.stringMatching(/does not answer: .*ECONNREFUSED/)]);
    expect(await isActive(row.secret)).toBe(false);
  });

  it('explains itself where something is missing or unknown', async () => {
    const file = await aFliptFile([]);
    for (const answer of [await run(FLIPT, [], {}), await importing(file, [], {}), await run(FLIPT, ['--to', gatehouse], loginOf(tenant))]) {
      expect(answer).toMatchObject({ status: 2, complained: expect.stringContaining('npm run import:flipt -- --from') });
    }
    expect(await importing(file, ['--project', 'default'])).toMatchObject({ status: 2, complained: expect.stringContaining('theirs=ours') });
    expect(await importing(file)).toMatchObject({ status: 0, said: 'imported: 0, there already: 0, not taken: 0\n' });
  });
});

describe('many tokens', () => {
  interface Sent {
    readonly tokens: readonly object[];
    readonly bytes: number;
  }

  /** A Gatehouse that answers imports as it is told, then takes everything. */
  async function aGatehouse(answers: readonly [status: number, headers?: Record<string, string>][]): Promise<{ url: string; logins: () => number; sent: Sent[]; server: Server }> {
    const [left, sent] = [[...answers], [] as Sent[]];
    let logins = 0;
    const server = createServer((request, response) => {
      void textOf(request).then((text) => {
        if (request.url === '/auth/login') {
          logins += 1;
          return response.end(JSON.stringify({ access_token: `session-${logins}` }));
        }
        const [status, headers = {}] = left.shift() ?? [200];
        if (status !== 200) return response.writeHead(status, headers).end('{}');
        const { tokens } = JSON.parse(text) as { tokens: object[] };
        sent.push({ tokens, bytes: text.length });
        return response.end(JSON.stringify({ results: tokens.map((_, index) => ({ index, status: 'imported', id: null, error: null })) }));
      });
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, logins: () => logins, sent, server };
  }

  async function textOf(request: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString();
  }

  async function sentTo(answers: Parameters<typeof aGatehouse>[0], rows: readonly FliptRow[]): Promise<{ result: Run; sent: readonly Sent[]; logins: number }> {
    const { url, logins, sent, server } = await aGatehouse(answers);
    try {
      const result = await run(FLIPT, ['--from', await aFliptFile(rows), '--to', url], loginOf(tenant));
      return { result, sent, logins: logins() };
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  it('are sent in batches of a thousand, and of fewer where a call could not hold these', async () => {
    const many = await sentTo([], Array.from({ length: 2_001 }, () => aFliptRow()));
    expect(many.sent.map(({ tokens }) => tokens.length)).toEqual([1_000, 1_000, 1]);
    expect(many.result).toMatchObject({ status: 0, said: 'imported: 2001, there already: 0, not taken: 0\n', complained: '1000 of 2001\n2000 of 2001\n2001 of 2001\n' });
    const long = await sentTo([], Array.from({ length: 900 }, () => aFliptRow(named('long', { 'io.flipt.auth.token.description': 'x'.repeat(1_000), 'note': 'y'.repeat(3_000) }))));
    expect(long.sent.reduce((sum, { tokens }) => sum + tokens.length, 0)).toBe(900);
    for (const { bytes } of long.sent) expect(bytes).toBeLessThan(2 * 1024 * 1024);
  });

  it('are sent again where they were not taken now, with a new session where the first has ended', async () => {
    const { result, sent, logins } = await sentTo([[429, { 'retry-after': '0.01' }], [401], [503, { 'retry-after': '0.01' }]], [aFliptRow()]);
    expect([result.status, sent.length, logins]).toEqual([0, 1, 2]);
  });

  it('are tallied until then where it cannot go on', async () => {
    const { result } = await sentTo([[200], [500]], Array.from({ length: 1_001 }, () => aFliptRow()));
    expect(result).toMatchObject({ status: 2, said: 'stopped; imported until then: 1000, there already: 0, not taken: 0\n', complained: expect.stringContaining('500') });
  });
});
