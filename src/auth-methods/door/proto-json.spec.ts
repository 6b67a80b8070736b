import { describe, expect, it } from 'vitest';
import { toPrettyProtoJson, toProtoJson } from './proto-json.js';

const message = {
  id: 'a',
  expiresAt: null,
  metadata: new Map([['b', ''], ['10', 'x'], ['9', '<é&"\u2028>'], ['\u{1f600}', 'last by bytes'], ['\uffee', 'before it']]),
  list: [{ enabled: false, name: 'n' }],
  none: [],
  empty: new Map(),
};

describe('a message as JSON', () => {
  it('writes everything, in order and without white space, keys of maps sorted by their bytes', () => {
    expect(toProtoJson(message)).toBe(
      '{"id":"a","expiresAt":null,"metadata":{"10":"x","9":"\\u003cé\\u0026\\"\\u2028\\u003e","b":"","\uffee":"before it","\u{1f600}":"last by bytes"},' +
      '"list":[{"enabled":false,"name":"n"}],"none":[],"empty":{}}',
    );
    expect(toProtoJson({})).toBe('{}');
  });

  it('for readers is indented by two and leaves out what is unset, but no entry of a map', () => {
    expect(toPrettyProtoJson({ ...message, metadata: new Map([['b', ''], ['a', '<']]) })).toBe(
      ['{', '  "id": "a",', '  "metadata": {', '    "a": "<",', '    "b": ""', '  },', '  "list": [', '    {', '      "name": "n"', '    }', '  ]', '}'].join('\n'),
    );
    expect(toPrettyProtoJson({ id: '', list: [] })).toBe('{}');
  });
});
