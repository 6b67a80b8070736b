import { describe, expect, it } from 'vitest';
import { boolean, field, integer, lastOf, list, LIST_FAULTS_MAX, literal, nullable, string, valueOf, type Outcome } from './pydantic.js';

const told = (outcome: Outcome<unknown>): unknown => ('value' in outcome ? outcome.value : outcome.faults.map(({ rule }) => rule).join());

describe('boolean', () => {
  it('reads words and the numbers 1 and 0', () => {
    for (const input of [true, 1, '1', 'yes', 'Y', 'tRue', 't', 'on', 'ON']) expect([input, told(boolean(input))]).toEqual([input, true]);
    for (const input of [false, 0, '0', 'no', 'N', 'FALSE', 'f', 'off', 'Off']) expect([input, told(boolean(input))]).toEqual([input, false]);
  });

  it('tells what looks like one from what does not', () => {
    for (const input of ['', 'maybe', ' true', '01', 2, -1]) expect([input, told(boolean(input))]).toEqual([input, 'bool_parsing']);
    for (const input of [null, [], {}, 0.5, 1e300]) expect([input, told(boolean(input))]).toEqual([input, 'bool_type']);
  });
});

describe('string', () => {
  it('takes text that can be stored, counted in characters', () => {
    expect(told(string({ maxLength: 2 })('😀😀'))).toBe('😀😀');
    expect(string({ maxLength: 2 })('abc')).toEqual({
      faults: [{ rule: 'string_too_long', message: 'String should have at most 2 characters', value: 'abc', context: { max_length: 2 } }],
    });
    for (const input of ['\0', '\udc00']) expect(told(string()(input))).toBe('string_unicode');
    for (const input of [5, null, true, ['a']]) expect(told(string()(input))).toBe('string_type');
  });
});

describe('integer', () => {
  const limit = integer({ minimum: 1, maximum: 100 });

  it('reads digits in groups, signs, blanks around and a fraction of zeros', () => {
    for (const [text, value] of [['10', 10], [' 10\n', 10], ['1_0', 10], ['+5', 5], ['0_1', 1], ['1.00', 1], ['00010', 10]] as const) expect(told(limit(text))).toBe(value);
    for (const text of ['', 'abc', '1.5', '1e1', '0x10', '1__0', '_1', '1_', '+', '1.', '.0', '１', '\ufeff1']) expect([text, told(limit(text))]).toEqual([text, 'int_parsing']);
  });

  it('keeps its bounds, however long the number', () => {
    expect(told(limit('0'))).toBe('greater_than_equal');
    expect(told(limit('-0'))).toBe('greater_than_equal');
    expect(told(limit('101'))).toBe('less_than_equal');
    expect(told(limit('9'.repeat(4300)))).toBe('less_than_equal');
    expect(told(limit('9'.repeat(4301)))).toBe('int_parsing_size');
    expect(told(limit('0'.repeat(4301)))).toBe('greater_than_equal');
    expect(told(integer({ minimum: 1 })('9'.repeat(400)))).toBe(Infinity);
  });
});

describe('literal', () => {
  it('takes the words as they are spelled and names them all', () => {
    const role = literal(['ADMIN', 'MEMBER', 'EXTERNAL']);
    expect(role('MEMBER')).toEqual({ value: 'MEMBER' });
    expect(role('member')).toEqual({
      faults: [{ rule: 'literal_error', message: "Input should be 'ADMIN', 'MEMBER' or 'EXTERNAL'", value: 'member', context: { expected: "'ADMIN', 'MEMBER' or 'EXTERNAL'" } }],
    });
  });
});

describe('list', () => {
  it('tells every fault at its index, up to a bound', () => {
    expect(list(string())(['a', 1, 'b', null])).toEqual({
      faults: [
        { rule: 'string_type', message: 'Input should be a valid string', value: 1, at: [1] },
        { rule: 'string_type', message: 'Input should be a valid string', value: null, at: [3] },
      ],
    });
    const outcome = list(string())(Array.from({ length: 10_000 }, () => 1));
    expect('faults' in outcome && outcome.faults.length).toBe(LIST_FAULTS_MAX);
    for (const input of ['a', null, {}, 3]) expect(told(list(string())(input))).toBe('list_type');
  });
});

describe('a field', () => {
  it('may be left out, but is null only where that is said', () => {
    expect([field(boolean)(undefined, {}), valueOf(boolean, undefined, 'absent')]).toEqual([null, 'absent']);
    expect(field(boolean)(null, {})).toHaveLength(1);
    expect([field(nullable(boolean))(null, {}), valueOf(nullable(boolean), null, 'absent')]).toEqual([null, null]);
  });

  it('of a query that was sent more than once counts once, the last time', () => {
    expect(told(lastOf(boolean)(['maybe', 'yes']))).toBe(true);
    expect(told(lastOf(boolean)('no'))).toBe(false);
  });

  it('is not read where its rule does not let it pass', () => {
    expect(() => valueOf(boolean, 'maybe', null)).toThrow();
  });
});
