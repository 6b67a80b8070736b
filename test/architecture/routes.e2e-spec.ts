import { beforeAll, describe, expect, it } from 'vitest';
import { DataSource } from 'typeorm';
import { RouteTable } from '../../src/kernel/http/route-table.js';
import { PLATFORM_PERMISSIONS, TENANT_PERMISSIONS } from '../../src/tokens/permissions.js';
import { theApp } from '../support/app.js';
import { call } from '../support/call.js';

interface Operation {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly permission: string | undefined;
  readonly responses: Record<string, { description?: string; content?: unknown }>;
  readonly security: readonly unknown[];
  readonly summary: string | undefined;
  readonly tags: readonly string[];
}

let operations: Operation[];
let document: any;
beforeAll(async () => {
  document = (await call('GET', '/openapi.json')).body;
  operations = Object.entries<Record<string, any>>(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      path,
      permission: operation['x-permission'],
      responses: operation.responses,
      security: operation.security ?? [],
      summary: operation.summary,
      tags: operation.tags ?? [],
    })));
});

describe('the OpenAPI document', () => {
  it('lists exactly the routes that are served', async () => {
    const { app } = await theApp();
    const served = app
      .get(RouteTable)
      .routes.filter(({ method, path }) => !['HEAD', 'OPTIONS'].includes(method) && !path.startsWith('/docs') && !path.startsWith('/openapi') && !path.includes('*'))
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
    expect([...new Set(served)].sort()).toEqual(operations.map(({ name }) => name).sort());
  });

  it('states of every route a known permission or that it is public', () => {
    const known = new Set<string>(['public', ...TENANT_PERMISSIONS, ...PLATFORM_PERMISSIONS]);
    expect(operations.filter(({ permission }) => !permission || !known.has(permission)).map(({ name }) => name)).toEqual([]);
  });

  it('says of every guarded route how to authorize, and what 401 looks like', () => {
    const guarded = operations.filter(({ permission }) => permission !== 'public');
    expect(guarded.filter(({ security, responses }) => security.length === 0 || !responses['401']).map(({ name }) => name)).toEqual([]);
    expect(operations.filter(({ permission, security }) => permission === 'public' && security.length > 0)).toEqual([]);
  });

  it('describes every route, its success and every response', () => {
    const wordless = operations.filter(({ summary, responses, tags }) =>
      !summary || tags.length === 0 || !Object.keys(responses).some((status) => status.startsWith('2')) || Object.values(responses).some(({ description }) => !description));
    expect(wordless.map(({ name }) => name)).toEqual([]);
  });

  it('gives every tag a sentence and uses every tag it describes', () => {
    const described = new Map<string, string>(document.tags.map(({ name, description }: { name: string; description: string }) => [name, description]));
    const used = new Set(operations.flatMap(({ tags }) => tags));
    expect([...used].filter((tag) => !described.get(tag))).toEqual([]);
    expect([...described.keys()].filter((tag) => !used.has(tag))).toEqual([]);
  });

  it('offers both credentials in the Authorize dialog', () => {
    expect(Object.keys(document.components.securitySchemes).sort()).toEqual(['session', 'token']);
  });
});

describe('every guarded route', () => {
  it('answers 401 without a credential and to a wrong one, whatever the ids', async () => {
    for (const { method, path, permission } of operations) {
      if (permission === 'public') continue;
      const url = path.replace(/\{\w+\}/g, 'x');
      for (const as of [undefined, 'nonsense']) {
        const { status } = await call(method, url, { as });
        expect(`${method} ${path} ${status}`).toBe(`${method} ${path} 401`);
      }
    }
  });

  it('is guarded on every variant of its path too', async () => {
    const { path } = operations.find(({ name }) => name === 'GET /v1/tokens') as Operation;
    const variants = [`${path}/`, `/${path}`, path.toUpperCase(), `${path};x=1`, `${path}%2F`, `/v1/../v1/tokens`, `${path}?x`, `/%761/tokens`, `${path}//`];
    for (const url of variants) expect(`${url} ${[401, 404, 400].includes((await call('GET', url)).status)}`).toBe(`${url} true`);
    for (const method of ['HEAD', 'GET']) expect((await call(method, path)).status).toBe(401);
  });
});

it('every entity names exactly the columns its table has', async () => {
  const { app } = await theApp();
  const dataSource = app.get(DataSource);
  const columns = await dataSource.query<{ table: string; column: string; nullable: boolean }[]>(
    `SELECT table_name AS "table", column_name AS "column", is_nullable = 'YES' AS nullable FROM information_schema.columns WHERE table_schema = 'public'`,
  );
  for (const { tableName, columns: own } of dataSource.entityMetadatas) {
    const ofEntity = own.map(({ databaseName, isNullable }) => `${databaseName}${isNullable ? '?' : ''}`).sort();
    const ofTable = columns.filter(({ table }) => table === tableName).map(({ column, nullable }) => `${column}${nullable ? '?' : ''}`).sort();
    expect([tableName, ofEntity]).toEqual([tableName, ofTable]);
  }
});
