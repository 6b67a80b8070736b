import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { aTenant, sql, type TestTenant } from '../support/builders.js';
import { call } from '../support/call.js';

interface Row {
  readonly name: string;
  readonly request: { readonly method: string; readonly path: string; readonly contentType?: string; readonly body?: string };
  readonly status: number;
  readonly body: unknown;
}

/** Answers of Pydantic 2.13 and Python 3.11 to these requests, in FastAPI's envelope. */
const ROWS = JSON.parse(readFileSync(new URL('wire/deepset/validation.json', import.meta.url), 'utf8')) as readonly Row[];

describe('what the deepset door does not accept', () => {
  let tenant: TestTenant;
  beforeAll(async () => {
    tenant = await aTenant();
  });

  const send = ({ request: { method, path, contentType, body } }: Row) =>
    call(method, path, { as: tenant.admin.session, body, headers: contentType ? { 'content-type': contentType } : {} });

  it.each(ROWS.map((row) => [`${row.request.method} ${row.name}`, row] as const))('is answered byte for byte: %s', async (_, row) => {
    const { status, headers, text } = await send(row);
    expect(text).toBe(JSON.stringify(row.body));
    expect([status, headers['content-type']]).toEqual([row.status, 'application/json; charset=utf-8']);
  });

  it('leaves no token behind', async () => {
    expect(await sql(tenant, 'SELECT id FROM api_tokens')).toEqual([]);
  });
});
