import { describe, expect, it } from 'vitest';
import { uuid } from './pydantic-uuid.js';

const ID = '01234567-89ab-cdef-0123-456789abcdef';

describe('uuid', () => {
  it.each([ID, ID.toUpperCase(), ID.replaceAll('-', ''), `{${ID}}`, `urn:uuid:${ID}`])('reads %s', (text) => {
    expect(uuid(text)).toEqual({ value: ID });
  });

  it.each([
    ['', 'invalid length: expected length 32 for simple format, found 0'],
    ['abc', 'invalid length: expected length 32 for simple format, found 3'],
    [`${ID.replaceAll('-', '')}0`, 'invalid length: expected length 32 for simple format, found 33'],
    ['z', 'invalid character: found `z` at 1'],
    ['ab😀', 'invalid character: found `😀` at 3'],
    ['\u0000', 'invalid character: found `\u0000` at 1'],
    [` ${ID}`, 'invalid character: found ` ` at 1'],
    [`${ID}\n`, 'invalid character: found `\n` at 37'],
    ['{z}', 'invalid character: found `z` at 2'],
    ['{', 'invalid character: found `{` at 1'],
    ['{}', 'invalid group count: expected 5, found 1'],
    ['----', 'invalid group length in group 0: expected 8, found 0'],
    ['a-b', 'invalid group count: expected 5, found 2'],
    [`${ID}-00`, 'invalid group count: expected 5, found 6'],
    ['urn:uuid:z', 'invalid character: found `z` at 10'],
    [`urn:uuid:${ID.replaceAll('-', '')}`, 'invalid group count: expected 5, found 1'],
    [`urn:uuid:${ID.slice(0, -1)}`, 'invalid group length in group 4: expected 12, found 20'],
    [`urn:uuid:${ID.slice(0, -1)}z`, 'invalid character: found `z` at 36'],
    [`{${ID.slice(0, 20)}z${ID.slice(21)}}`, 'invalid character: found `z` at 21'],
    ['01234567-89a-bcdef-0123-456789abcdef', 'invalid group length in group 1: expected 4, found 3'],
    [`${ID}0`, 'invalid group length in group 4: expected 12, found 13'],
  ])('finds in %j: %j', (text, error) => {
    expect(uuid(text)).toEqual({ faults: [{ rule: 'uuid_parsing', message: `Input should be a valid UUID, ${error}`, value: text, context: { error } }] });
  });

  it('takes nothing but text', () => {
    for (const value of [5, null, true, [], {}]) {
      expect(uuid(value)).toEqual({ faults: [{ rule: 'uuid_type', message: 'UUID input should be a string, bytes or UUID object', value }] });
    }
    expect(uuid('\ud800')).toMatchObject({ faults: [{ rule: 'string_unicode' }] });
  });
});
