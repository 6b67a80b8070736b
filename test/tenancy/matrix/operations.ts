import { RouteTable } from '../../../src/kernel/http/route-table.js';
import { theApp } from '../../support/app.js';
import { call } from '../../support/call.js';

export interface Schema {
  readonly $ref?: string;
  readonly allOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly example?: unknown;
  readonly default?: unknown;
}

export interface Parameter {
  readonly in: 'path' | 'query' | 'header';
  readonly name: string;
  readonly required: boolean;
  readonly schema: Schema;
}

export interface Operation {
  /** `GET /v1/tokens/{id}` */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  /** `public` where none is asked for. */
  readonly permission: string;
  readonly parameters: readonly Parameter[];
  readonly body: { readonly mediaType: string; readonly schema: Schema } | null;
}

/** Where in a request a text stands: `path`, `query`, `header` or `body`, and the way there; a number is a place in a list. */
export type Place = readonly [part: 'path' | 'query' | 'header' | 'body', ...way: (string | number)[]];

export const nameOf = (place: Place): string => place.map((step) => (typeof step === 'number' ? '[]' : step)).join('.').replaceAll('.[]', '[]');

/** What the OpenAPI document describes, and what the server has routes for: the two must be the same. */
export async function readOperations(): Promise<{ described: readonly Operation[]; served: readonly string[] }> {
  const { body: document } = await call('GET', '/openapi.json');
  const described = Object.entries<Record<string, any>>(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => toOperation(document, method.toUpperCase(), path, operation)));
  const { app } = await theApp();
  const served = app
    .get(RouteTable)
    .routes.filter(({ method, path }) => !['HEAD', 'OPTIONS'].includes(method) && !path.startsWith('/docs') && !path.startsWith('/openapi') && !path.includes('*'))
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
  return { described, served: [...new Set(served)] };
}

function toOperation(document: any, method: string, path: string, operation: Record<string, any>): Operation {
  const content = Object.entries<{ schema: Schema }>(operation['requestBody']?.content ?? {});
  const [first] = content;
  return {
    name: `${method} ${path}`,
    method,
    path,
    permission: operation['x-permission'] ?? 'unstated',
    parameters: (operation['parameters'] ?? []).map((each: any): Parameter => ({ in: each.in, name: each.name, required: each.required === true, schema: resolve(document, each.schema ?? {}) })),
    body: first ? { mediaType: first[0], schema: resolve(document, first[1].schema) } : null,
  };
}

/** The schema with its references put in their places. */
function resolve(document: any, schema: Schema, depth = 0): Schema {
  if (schema.$ref !== undefined) return depth > 8 ? {} : resolve(document, document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {}, depth + 1);
  const parts = schema.allOf ?? schema.oneOf ?? schema.anyOf;
  if (parts) return Object.assign({}, schema, ...parts.map((part) => resolve(document, part, depth + 1))) as Schema;
  return {
    ...schema,
    ...(schema.items && { items: resolve(document, schema.items, depth + 1) }),
    ...(schema.properties && { properties: Object.fromEntries(Object.entries(schema.properties).map(([name, each]) => [name, resolve(document, each, depth + 1)])) }),
  };
}

/**
 * Every place of a request where a text stands that is not one of a few words, a date or an address; but an
 * Idempotency-Key, which every operation is sent, whether its document knows it or not.
 */
export function placesOf({ parameters, body }: Operation): readonly Place[] {
  const free = parameters.filter(({ schema, in: part, name }) => part === 'path' || (isFree(schema) && name !== 'Idempotency-Key'));
  const inParameters = free.map(({ in: part, name }): Place => [part, name]);
  return [...inParameters, ...(body ? leavesOf(body.schema).map((way): Place => ['body', ...way]) : [])];
}

/** Words in the query by which the same operation does another thing: its order, its format, how sure it is. */
export function waysOf({ parameters }: Operation): readonly (readonly [name: string, word: string])[] {
  const choices = parameters.filter(({ in: part, schema }) => part === 'query' && schema.enum);
  return choices.flatMap(({ name, schema }) => (schema.enum ?? []).filter((word) => word !== schema.default).map((word) => [name, String(word)] as const));
}

function leavesOf(schema: Schema, depth = 0): (string | number)[][] {
  if (depth > 6) return [];
  if (schema.items) return leavesOf(schema.items, depth + 1).map((way) => [0, ...way]);
  if (schema.properties) return Object.entries(schema.properties).flatMap(([name, each]) => leavesOf(each, depth + 1).map((way) => [name, ...way]));
  return isFree(schema) ? [[]] : [];
}

function isFree({ type, format, enum: words, items, properties }: Schema): boolean {
  return (type === 'string' || type === undefined) && !words && !items && !properties && !['date-time', 'date', 'uri', 'binary'].includes(format ?? '');
}
