import { isStorable } from '../../kernel/http/plain-text.js';
import type { Fault, Rule } from '../../kernel/http/rule.js';
import { parseUnleashDate } from './unleash-date.js';

/**
 * Unleash judges a body twice. First by its schema, where only the first fault is told, and what is required comes
 * before all else; then by its content, where every fault is told.
 */
export const SCHEMA_RULES: ReadonlySet<string> = new Set(['required', 'type', 'pattern', 'format']);
export const CONTENT_RULES: ReadonlySet<string> = new Set(['empty', 'items', 'unique', 'unstorable']);

/** What Unleash takes for text: numbers and booleans as they are spelled, null as empty; undefined for anything else. */
export function toText(value: unknown): string | undefined {
  if (value === null) return '';
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** A fault of a schema, with what was sent in it. */
export function schemaFault(rule: 'type' | 'pattern' | 'format', place: string, expected: string, value: unknown, at: Fault['at'] = []): Fault {
  return { rule, message: `The \`${place}\` property must ${expected}. You sent ${JSON.stringify(value)}.`, at };
}

function required(property: string): Fault {
  return { rule: 'required', message: `The \`/body/${property}\` property is required. It was not present on the data you sent.` };
}

function contentFault(rule: string, place: string, fault: string, value: unknown): Fault {
  return { rule, message: `"${place}" ${fault}.${value ? ` You provided ${JSON.stringify(value)}.` : ''}` };
}

interface TextOptions {
  readonly required?: boolean | ((body: Readonly<Record<string, unknown>>) => boolean);
  /** What is to be said of text once it is text. */
  readonly judge?: (text: string) => Fault | null;
}

/** A property of text, or of what can be read as text. */
export function text(property: string, { required: isRequired = false, judge }: TextOptions): Rule {
  return (value, body) => {
    if (value === undefined) return (typeof isRequired === 'function' ? isRequired(body) : isRequired) ? required(property) : null;
    const read = toText(value);
    if (read === undefined) return schemaFault('type', `/body/${property}`, 'be string', value);
    return judge?.(read) ?? null;
  };
}

/** Text that says something and can be stored. */
export function filled(place: string): (text: string) => Fault | null {
  return (read) => {
    if (read === '') return contentFault('empty', place, 'is not allowed to be empty', read);
    return isStorable(read) ? null : contentFault('unstorable', place, 'contains characters that cannot be stored', undefined);
  };
}

export function dateTime(property: string): (text: string) => Fault | null {
  return (read) => (parseUnleashDate(read) ? null : schemaFault('format', `/body/${property}`, 'match format "date-time"', read));
}

export function matching(property: string, pattern: RegExp): (text: string) => Fault | null {
  return (read) => (pattern.test(read) ? null : schemaFault('pattern', `/body/${property}`, `match pattern "${pattern.source}"`, read));
}

/** A list of texts, whose own faults `judge` finds. */
export function texts(property: string, options: { required?: boolean; judge?: (read: readonly string[]) => Fault | readonly Fault[] | null }): Rule {
  return (value) => {
    if (value === undefined) return options.required ? required(property) : null;
    if (!Array.isArray(value)) return schemaFault('type', `/body/${property}`, 'be array', value);
    const read = value.map(toText);
    const index = read.indexOf(undefined);
    if (index >= 0) return schemaFault('type', `/body/${property}/${index}`, 'be string', value[index], [index]);
    return options.judge?.(read as string[]) ?? null;
  };
}

/** Keys of projects: at least one, and no key twice unless all projects are meant anyhow. */
export function projectKeys(keys: readonly string[]): Fault | readonly Fault[] | null {
  if (keys.length === 0) return contentFault('items', 'projects', 'must contain at least 1 items', keys);
  const faults = keys.map((key, index) => filled(`projects[${index}]`)(key)).filter((fault) => fault !== null);
  if (faults.length > 0 || keys.includes('*')) return faults;
  const repeated = keys.findIndex((key, index) => keys.indexOf(key) < index);
  return repeated === -1 ? null : contentFault('unique', `projects[${repeated}]`, 'contains a duplicate value', keys[repeated]);
}
