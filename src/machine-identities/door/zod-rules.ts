import { isStorable } from '../../kernel/http/plain-text.js';
import type { Fault, Rule } from '../../kernel/http/rule.js';
import { parseAddressEntry } from '../../tokens/address-list.js';

/** Rules that report faults as issues of zod 3, member for member and in its order; the place is filled in later. */
const HERE: readonly never[] = [];
const ADDRESSES_MAX = 256;
const SLUG = { min: 1, max: 64, pattern: /^[a-z0-9]+(?:-[a-z0-9]+)*$/i };

interface Presence {
  readonly optional?: boolean;
}

export function issue(members: Readonly<Record<string, unknown>> & { readonly code: string; readonly message: string }, at: readonly (string | number)[] = []): Fault {
  return { rule: members.code, message: members.message, at, value: undefined, context: members };
}

export function custom(message: string, at?: readonly (string | number)[]): Fault {
  return issue({ code: 'custom', message, path: HERE }, at);
}

export function wrongType(expected: string, value: unknown, at?: readonly (string | number)[]): Fault {
  const received = typeOf(value);
  const message = received === 'undefined' ? 'Required' : `Expected ${expected}, received ${received}`;
  return issue({ code: 'invalid_type', expected, received, path: HERE, message }, at);
}

/** A string, trimmed before it is judged. */
export function text({ optional = false, min = 0, max = Infinity }: Presence & { min?: number; max?: number } = {}, at?: readonly (string | number)[]): Rule {
  return (value) => {
    if (value === undefined && optional) return null;
    if (typeof value !== 'string') return wrongType('string', value, at);
    const { length } = value.trim();
    if (length < min) return tooSmall('string', min, `String must contain at least ${min} character(s)`, at);
    if (length > max) return tooBig('string', max, `String must contain at most ${max} character(s)`, at);
    return isStorable(value) ? null : custom('String must not contain NUL or unpaired surrogates', at);
  };
}

/** A slug in any case, with blanks around it. */
export const slug: Rule = (value, body) => {
  const fault = text({ optional: true, min: SLUG.min, max: SLUG.max })(value, body);
  if (fault !== null || typeof value !== 'string') return fault;
  return SLUG.pattern.test(value.trim()) ? null : custom('Slug field can only contain letters, numbers, and hyphens');
};

/** A whole number; optional, for each has a default. */
export function integer({ min, max = Number.MAX_SAFE_INTEGER }: { min: number; max?: number }): Rule {
  return (value) => (value === undefined ? null : judgeInteger(value, min, max));
}

/** The same in a query, where everything is text. */
export function queryInteger({ min, max }: { min: number; max: number }): Rule {
  return (value) => {
    if (value === undefined) return null;
    const number = typeof value === 'string' ? Number(value) : NaN;
    if (Number.isNaN(number)) return issue({ code: 'invalid_type', expected: 'number', received: 'nan', path: HERE, message: 'Expected number, received nan' });
    return judgeInteger(number, min, max);
  };
}

export const flag: Rule = (value) => (value === undefined || typeof value === 'boolean' ? null : wrongType('boolean', value));

export function oneOf(options: readonly string[]): Rule {
  return (value) => {
    if (value === undefined || (typeof value === 'string' && options.includes(value))) return null;
    const expected = options.map((option) => `'${option}'`).join(' | ');
    if (typeof value !== 'string') return wrongType(expected, value);
    return issue({ received: value, code: 'invalid_enum_value', options, path: HERE, message: `Invalid enum value. Expected ${expected}, received '${value}'` });
  };
}

/** Addresses and CIDR ranges; one that is neither is a fault of its own kind, told only where there is no other. */
export const addresses: Rule = (value) => {
  if (value === undefined) return null;
  if (!Array.isArray(value)) return wrongType('array', value);
  if (value.length < 1) return tooSmall('array', 1, 'Array must contain at least 1 element(s)');
  if (value.length > ADDRESSES_MAX) return tooBig('array', ADDRESSES_MAX, `Array must contain at most ${ADDRESSES_MAX} element(s)`);
  const faults = (value as unknown[]).flatMap((entry, index) => {
    if (!isRecord(entry)) return wrongType('object', entry, [index]);
    return typeof entry['ipAddress'] === 'string' ? [] : wrongType('string', entry['ipAddress'], [index, 'ipAddress']);
  });
  if (faults.length > 0) return faults;
  return (value as { ipAddress: string }[]).every(({ ipAddress }) => parseAddressEntry(ipAddress.trim())) ? null : { rule: 'address', message: 'not an address' };
};

export const metadata: Rule = (value, body) => {
  if (value === undefined) return null;
  if (!Array.isArray(value)) return wrongType('array', value);
  return (value as unknown[]).flatMap((entry, index) => {
    if (!isRecord(entry)) return wrongType('object', entry, [index]);
    return ['key', 'value'].flatMap((member) => (text({ min: 1 }, [index, member])(entry[member], body) as Fault | null) ?? []);
  });
};

/** The refinement of the whole body that both kinds of settings have. */
export function ttlWithinMax(applies: (ttl: number, max: number) => boolean, fallback?: number): Rule {
  return (value, body) => {
    const fault = integer(TTL)(value, body);
    const [ttl, max] = [body['accessTokenTTL'] ?? fallback, value ?? fallback];
    if (fault !== null || typeof ttl !== 'number' || typeof max !== 'number' || integer(TTL)(ttl, body) !== null) return fault;
    return applies(ttl, max) && ttl > max ? { ...custom('Access Token TTL cannot be greater than Access Token Max TTL.'), rule: 'body' } : null;
  };
}

export const TTL = { min: 0, max: 315_360_000 };

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function judgeInteger(value: unknown, min: number, max: number): Fault | null {
  if (typeof value !== 'number') return wrongType('number', value);
  if (!Number.isInteger(value)) {
    return issue({ code: 'invalid_type', expected: 'integer', received: 'float', message: 'Expected integer, received float', path: HERE });
  }
  if (value < min) return tooSmall('number', min, `Number must be greater than or equal to ${min}`);
  return value > max ? tooBig('number', max, `Number must be less than or equal to ${max}`) : null;
}

function tooSmall(type: string, minimum: number, message: string, at?: readonly (string | number)[]): Fault {
  return issue({ code: 'too_small', minimum, type, inclusive: true, exact: false, message, path: HERE }, at);
}

function tooBig(type: string, maximum: number, message: string, at?: readonly (string | number)[]): Fault {
  return issue({ code: 'too_big', maximum, type, inclusive: true, exact: false, message, path: HERE }, at);
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
