import { call, type Answer } from '../../support/call.js';
import { nameOf, type Operation, type Place, type Schema } from './operations.js';
import { kindAt, recipeOf } from './recipes.js';
import { thingsOf, type Twin } from './twins.js';

export interface Input {
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly header: Readonly<Record<string, string>>;
  readonly body: unknown;
}

let drawn = 0;

/** A name nobody has used; masked in answers. */
export const fresh = (): string => `fresh${(drawn += 1)}z`;

/** A request that names only what the twin has: what the recipe gives, and else what the document asks for. */
export function ownInput(operation: Operation, twin: Twin): Input {
  const recipe = recipeOf(operation);
  const own = { twin, fresh };
  const required = operation.parameters.filter(({ in: part, required: needed }) => part === 'path' || needed);
  const input: Record<'path' | 'query' | 'header', Record<string, string>> = { path: {}, query: {}, header: {} };
  for (const { in: part, name, schema } of required) input[part][name] = String(ownValue(operation, [part, name], schema, twin));
  return {
    path: { ...input.path, ...recipe.path?.(own) },
    query: { ...input.query, ...recipe.query?.(own) },
    header: { ...input.header, ...recipe.header?.(own) },
    body: recipe.body ? recipe.body(own) : operation.body ? ownBody(operation, ['body'], operation.body.schema, twin) : undefined,
  };
}

/** What the twin has of the kind that stands there. */
export function ownAt(operation: Operation, place: Place, twin: Twin, kind = kindAt(operation, place)): string {
  return recipeOf(operation).own?.[nameOf(place)]?.({ twin, fresh }) ?? thingsOf(twin, kind, operation.name)[0] ?? '';
}

function ownBody(operation: Operation, place: Place, schema: Schema, twin: Twin): unknown {
  if (schema.properties) {
    const needed = Object.entries(schema.properties).filter(([name]) => schema.required?.includes(name));
    return Object.fromEntries(needed.map(([name, each]) => [name, ownBody(operation, [...place, name], each, twin)]));
  }
  if (schema.items) {
    const isGiven = Array.isArray(schema.example) && !schema.items.properties && kindAt(operation, [...place, 0]) === 'text';
    return isGiven ? schema.example : [ownBody(operation, [...place, 0], schema.items, twin)];
  }
  return ownValue(operation, place, schema, twin);
}

function ownValue(operation: Operation, place: Place, schema: Schema, twin: Twin): unknown {
  const kind = kindAt(operation, place);
  if (kind !== 'text' && !schema.enum) return ownAt(operation, place, twin);
  if (/^(key|name|slug|tokenName|description)$/.test(String(place.at(-1))) && place[0] === 'body') return fresh();
  return schema.example ?? schema.default ?? schema.enum?.[0] ?? fresh();
}

/** The input with this value in that place. */
export function put(input: Input, [part, ...way]: Place, value: string): Input {
  if (part === 'body') return { ...input, body: putInto(input.body, way, value) };
  return { ...input, [part]: { ...input[part], [String(way[0])]: value } };
}

function putInto(target: unknown, [step, ...rest]: (string | number)[], value: unknown): unknown {
  if (step === undefined) return value;
  if (typeof step === 'number') {
    const list = Array.isArray(target) ? target : [];
    return [putInto(list[0], rest, value), ...list.slice(1)];
  }
  const object = (typeof target === 'object' && target !== null ? target : {}) as Record<string, unknown>;
  return { ...object, [step]: putInto(object[step], rest, value) };
}

let sources = 0;

/** One request; each comes from another address, for what is counted by address is not the subject here. */
export function send({ method, path, body: described }: Operation, input: Input, authorization: string | null): Promise<Answer> {
  const url = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(input.path[name] ?? ''));
  const query = new URLSearchParams(input.query).toString();
  const form = described?.mediaType === 'application/x-www-form-urlencoded' && input.body !== undefined;
  sources += 1;
  return call(method, query ? `${url}?${query}` : url, {
    headers: { ...input.header, ...(authorization !== null && { authorization }) },
    from: `10.${(sources >> 16) & 255}.${(sources >> 8) & 255}.${sources & 255}`,
    ...(form ? { form: input.body as Record<string, string> } : input.body !== undefined && { body: input.body }),
  });
}

/** Every text of the input, by which an answer may repeat it. */
export function textsOf({ path, query, header, body }: Input): readonly string[] {
  const texts = (value: unknown): string[] =>
    typeof value === 'string' ? [value] : typeof value === 'object' && value !== null ? Object.values(value).flatMap(texts) : [];
  return [path, query, header, body].flatMap(texts);
}
