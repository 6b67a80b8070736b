import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readFirstJson } from './go-json.js';

const faultOf = (text: string): string => {
  try {
    return `no fault: ${JSON.stringify(readFirstJson(text))}`;
  } catch (error) {
    return (error as SyntaxError).message;
  }
};

describe('the first JSON value of a text', () => {
  it('reads every JSON text as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(readFirstJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it('is read alone: what follows it is not looked at', () => {
    fc.assert(
      fc.property(fc.json().filter((text) => /[\]}"]$/.test(text)), fc.string(), (text, rest) => {
        expect(readFirstJson(text + rest)).toEqual(JSON.parse(text));
      }),
    );
    expect(readFirstJson('{"name":"a"} {"name":"b"}')).toEqual({ name: 'a' });
    expect(readFirstJson('nullx')).toBe(null);
    expect(readFirstJson('12 ]')).toBe(12);
  });

  it('is null where there is none', () => {
    for (const text of ['', ' ', '\r\n\t']) expect(readFirstJson(text)).toBe(null);
  });

  it('keeps the last of two members of one name, as Go does', () => {
    expect(readFirstJson('{"name":"a","name":"b"}')).toEqual({ name: 'b' });
  });

  it.each([
    ['}', "invalid character '}' looking for beginning of value"],
    ['nonsense', "invalid character 'o' in literal null (expecting 'u')"],
    ['hello', "invalid character 'h' looking for beginning of value"],
    ["'a'", "invalid character '\\'' looking for beginning of value"],
    ['{', 'unexpected EOF'],
    ['{"name"', 'unexpected EOF'],
    ['{"name":', 'unexpected EOF'],
    ['{"name":"a', 'unexpected EOF'],
    ['{"name":"a\\', 'unexpected EOF'],
    ['{"name":"a"', 'unexpected EOF'],
    ['[1,', 'unexpected EOF'],
    ['-', 'unexpected EOF'],
    ['tru', 'unexpected EOF'],
    ['{name:"a"}', "invalid character 'n' looking for beginning of object key string"],
    ['{"name":"a",}', "invalid character '}' looking for beginning of object key string"],
    ['{"name" "a"}', "invalid character '\"' after object key"],
    ['{"name":}', "invalid character '}' looking for beginning of value"],
    ['{"name":"a";}', "invalid character ';' after object key:value pair"],
    ['{"name":"a" "b"}', "invalid character '\"' after object key:value pair"],
    ['[1 2]', "invalid character '2' after array element"],
    ['[1,]', "invalid character ']' looking for beginning of value"],
    ['["a\nb"]', "invalid character '\\n' in string literal"],
    ['["a\u0001b"]', "invalid character '\\x01' in string literal"],
    ['["\\x"]', "invalid character 'x' in string escape code"],
    ['["\\u12g4"]', "invalid character 'g' in \\u hexadecimal character escape"],
    ['{"limit":-x}', "invalid character 'x' in numeric literal"],
    ['{"limit":1.x}', "invalid character 'x' after decimal point in numeric literal"],
    ['{"limit":1ex}', "invalid character 'x' in exponent of numeric literal"],
    ['{"limit":01}', "invalid character '1' after object key:value pair"],
    ['{"on":trux}', "invalid character 'x' in literal true (expecting 'e')"],
    ['é', "invalid character 'Ã' looking for beginning of value"],
    ['\u007f', "invalid character '\\x7f' looking for beginning of value"],
  ])('names the fault of %j as Go does', (text, message) => {
    expect(faultOf(text)).toBe(message);
  });

  it('reads whatever JSON.parse reads, and refuses with nothing but a SyntaxError', () => {
    const fragments = fc.array(fc.constantFrom('{', '}', '[', ']', '"', ':', ',', 'a', '\\', '\\u00e9', '1', '-', '.', 'e', 'true', 'null', ' ', '\n'), { maxLength: 12 });
    fc.assert(
      fc.property(fragments, (parts) => {
        const text = parts.join('');
        let whole: unknown;
        try {
          whole = JSON.parse(text);
        } catch {
          expect(['SyntaxError', 'read']).toContain(readOrName(text));
          return;
        }
        expect(readFirstJson(text)).toEqual(whole);
      }),
      { numRuns: 2_000 },
    );
  });
});

function readOrName(text: string): string {
  try {
    readFirstJson(text);
    return 'read';
  } catch (error) {
    return (error as Error).name;
  }
}
