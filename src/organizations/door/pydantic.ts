import type { Fault, Rule } from '../../kernel/http/rule.js';

/** What Pydantic 2 makes of an input in its lax mode: a value, or everything that is wrong with it. */
export type Outcome<T> = { readonly value: T } | { readonly faults: readonly Fault[] };

/** Reads an input as Pydantic reads a field of this type. */
export type PydanticType<T> = (input: unknown) => Outcome<T>;

/** As many faults of one list as are told: a body of 64 KB could hold 30,000 of them. */
export const LIST_FAULTS_MAX = 100;
/** Python refuses to read longer integers. */
const INTEGER_DIGITS_MAX = 4300;
const TRUE_WORDS = new Set(['1', 'on', 't', 'true', 'y', 'yes']);
const FALSE_WORDS = new Set(['0', 'off', 'f', 'false', 'n', 'no']);
const INTEGER = /^\p{White_Space}*([+-]?)(\d+(?:_\d+)*)(?:\.0+)?\p{White_Space}*$/u;

export function fault(rule: string, message: string, value: unknown, context?: Fault['context']): { readonly faults: readonly [Fault] } {
  return { faults: [{ rule, message, value, ...(context && { context }) }] };
}

export const boolean: PydanticType<boolean> = (input) => {
  if (typeof input === 'boolean') return { value: input };
  const word = typeof input === 'string' ? input.toLowerCase() : Number.isSafeInteger(input) ? String(input) : null;
  if (word === null) return fault('bool_type', 'Input should be a valid boolean', input);
  if (TRUE_WORDS.has(word)) return { value: true };
  if (FALSE_WORDS.has(word)) return { value: false };
  return fault('bool_parsing', 'Input should be a valid boolean, unable to interpret input', input);
};

/** Text that can be stored as it is: half surrogate pairs and NUL cannot. */
export function string(limits: { maxLength?: number } = {}): PydanticType<string> {
  return (input) => {
    if (typeof input !== 'string') return fault('string_type', 'Input should be a valid string', input);
    if (!input.isWellFormed() || input.includes('\0')) return notUnicode(input);
    const { maxLength = Infinity } = limits;
    if ([...input].length <= maxLength) return { value: input };
    return fault('string_too_long', `String should have at most ${maxLength} characters`, input, { max_length: maxLength });
  };
}

export function notUnicode(input: string): { readonly faults: readonly [Fault] } {
  return fault('string_unicode', 'Input should be a valid string, unable to parse raw data as a unicode string', input);
}

/** An integer as it is written in a query; what lies beyond the safe integers is only known to be that large. */
export function integer({ minimum, maximum = Infinity }: { minimum: number; maximum?: number }): PydanticType<number> {
  return (input) => {
    const [, sign = '', written] = (typeof input === 'string' && INTEGER.exec(input)) || [];
    if (written === undefined) return fault('int_parsing', 'Input should be a valid integer, unable to parse string as an integer', input);
    const digits = written.replace(/_/g, '').replace(/^0+(?=\d)/, '');
    if (digits.length > INTEGER_DIGITS_MAX) return fault('int_parsing_size', 'Unable to parse input string as an integer, exceeded maximum size', input);
    const value = Number(sign + digits);
    if (value < minimum) return fault('greater_than_equal', `Input should be greater than or equal to ${minimum}`, input, { ge: minimum });
    if (value > maximum) return fault('less_than_equal', `Input should be less than or equal to ${maximum}`, input, { le: maximum });
    return { value };
  };
}

/** One of these words, in exactly this spelling. */
export function literal<const Word extends string>(words: readonly Word[]): PydanticType<Word> {
  const quoted = words.map((word) => `'${word}'`);
  const expected = `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
  return (input) => {
    const value = words.find((word) => word === input);
    return value === undefined ? fault('literal_error', `Input should be ${expected}`, input, { expected }) : { value };
  };
}

export function nullable<T>(type: PydanticType<T>): PydanticType<T | null> {
  return (input) => (input === null ? { value: null } : type(input));
}

export function list<T>(type: PydanticType<T>): PydanticType<readonly T[]> {
  return (input) => {
    if (!Array.isArray(input)) return fault('list_type', 'Input should be a valid list', input);
    const values: T[] = [];
    const faults: Fault[] = [];
    for (const [index, item] of input.entries()) {
      const outcome = type(item);
      if ('value' in outcome) values.push(outcome.value);
      else faults.push(...outcome.faults.map((each) => ({ ...each, at: [index, ...(each.at ?? [])] })));
      if (faults.length >= LIST_FAULTS_MAX) break;
    }
    return faults.length > 0 ? { faults } : { value: values };
  };
}

/** A parameter that may be sent more than once: the last one counts. */
export function lastOf<T>(type: PydanticType<T>): PydanticType<T> {
  return (input) => type(Array.isArray(input) ? input.at(-1) : input);
}

/** Judges a field that may be left out. */
export function field<T>(type: PydanticType<T>): Rule {
  return (input) => {
    if (input === undefined) return null;
    const outcome = type(input);
    return 'faults' in outcome ? outcome.faults : null;
  };
}

/** The value of a field that its rule has let pass; `absent` where it was left out. */
export function valueOf<T, Absent>(type: PydanticType<T>, input: unknown, absent: Absent): T | Absent {
  if (input === undefined) return absent;
  const outcome = type(input);
  if ('faults' in outcome) throw new Error('a field was read that its rule does not let pass');
  return outcome.value;
}
