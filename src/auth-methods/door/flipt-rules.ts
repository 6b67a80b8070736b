import { isStorable } from '../../kernel/http/plain-text.js';
import type { Fault, Rule } from '../../kernel/http/rule.js';
import { GoTimeError, parseGoTime } from './go-time.js';

export const AUTH_METHODS = ['METHOD_NONE', 'METHOD_TOKEN', 'METHOD_OIDC', 'METHOD_KUBERNETES', 'METHOD_GITHUB', 'METHOD_JWT', 'METHOD_CLOUD'] as const;

const INT32_MAX = 2 ** 31 - 1;

/** Go has one sentence for a value of another type, whichever the field. */
const WRONG_TYPE: Fault = { rule: 'type', message: 'invalid values for key(s) in json body' };

function isUnset(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}

/** A string of the body, or nothing. */
export const text: Rule = (value) => (isUnset(value) || (typeof value === 'string' && isStorable(value)) ? null : WRONG_TYPE);

/** A map of strings, in which null stands for an empty one. */
export const textMap: Rule = (value) => {
  if (isUnset(value)) return null;
  if (typeof value !== 'object' || Array.isArray(value)) return WRONG_TYPE;
  return Object.entries(value).every(([key, each]) => isStorable(key) && text(each, {}) === null) ? null : WRONG_TYPE;
};

/** A time of the body, or nothing. */
export const timestamp: Rule = (value) => {
  if (isUnset(value)) return null;
  return typeof value === 'string' ? faultOfTime(value, (reason) => `bad Timestamp: ${reason}`) : WRONG_TYPE;
};

/** The proto's own name of a field counts only where the JSON name is not given. */
export function unless(jsonName: string, rule: Rule): Rule {
  return (value, body) => (body[jsonName] === undefined ? rule(value, body) : null);
}

/** A time of the query. */
export const timestampParameter = parameter('expires_at', (value) => faultOfTime(value, (reason) => reason));

/** A 32-bit number of the query. */
export const limitParameter = parameter('limit', (value) => {
  const reason = !/^[+-]?\d+$/.test(value) ? 'invalid syntax' : Number(value) > INT32_MAX || Number(value) < -INT32_MAX - 1 ? 'value out of range' : null;
  return reason && { rule: 'integer', message: `strconv.ParseInt: parsing ${JSON.stringify(value)}: ${reason}` };
});

/** A method by name or number. */
export const methodParameter = parameter('method', (value) =>
  methodNamed(value) ? null : { rule: 'enum', message: `${JSON.stringify(value)} is not a valid value` });

/** Any text: a page token that says nothing is no fault. */
export const pageTokenParameter = parameter('page_token', () => null);

export function methodNamed(nameOrNumber: string): (typeof AUTH_METHODS)[number] | null {
  const named = AUTH_METHODS.find((method) => method === nameOrNumber);
  return named ?? (/^[+-]?\d+$/.test(nameOrNumber) ? (AUTH_METHODS[Number(nameOrNumber)] ?? null) : null);
}

/** A parameter of the query, given once or not at all; `name` is what the proto calls it. */
function parameter(name: string, judge: (value: string) => Fault | null): Rule {
  return (value) => {
    if (value === undefined) return null;
    if (Array.isArray(value)) return { rule: 'repeated', message: `too many values for field "${name}": ${value.join(', ')}` };
    const fault = typeof value === 'string' ? judge(value) : WRONG_TYPE;
    return fault && { ...fault, message: `parsing field "${name}": ${fault.message}` };
  };
}

function faultOfTime(value: string, say: (reason: string) => string): Fault | null {
  try {
    return parseGoTime(value) ? null : { rule: 'time', message: say(`${value} is not within years 1 to 9999`) };
  } catch (error) {
    if (!(error instanceof GoTimeError)) throw error;
    return { rule: 'time', message: say(error.message) };
  }
}
