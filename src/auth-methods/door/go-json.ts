const LITERALS = { t: 'true', f: 'false', n: 'null' } as const;
const SPACE = /[ \t\r\n]/;
const DIGIT = /[0-9]/;
const HEX_DIGIT = /[0-9a-fA-F]/;

/**
 * The first JSON value of a text; whatever follows it is ignored, and so is a text without any. Throws SyntaxError
 * with the message that Go's encoding/json has for the fault.
 */
export function readFirstJson(text: string): unknown {
  const reader = new FirstValue(text);
  const start = reader.skipSpace();
  if (start === text.length) return null;
  reader.value();
  return JSON.parse(text.slice(start, reader.at));
}

/** Walks over one JSON value and stops behind it, or at the first character that cannot belong to it. */
class FirstValue {
  at = 0;

  constructor(private readonly text: string) {}

  skipSpace(): number {
    while (SPACE.test(this.here)) this.at += 1;
    return this.at;
  }

  value(): void {
    this.skipSpace();
    const first = this.here;
    if (first === '{') this.object();
    else if (first === '[') this.array();
    else if (first === '"') this.string();
    else if (first === '-' || DIGIT.test(first)) this.number();
    else if (first === 't' || first === 'f' || first === 'n') this.literal(LITERALS[first]);
    else this.fail('looking for beginning of value');
  }

  private object(): void {
    this.at += 1;
    if (this.skipTo('}')) return;
    for (;;) {
      this.skipSpace();
      if (this.here !== '"') this.fail('looking for beginning of object key string');
      this.string();
      if (!this.skipTo(':')) this.fail('after object key');
      this.value();
      if (this.skipTo('}')) return;
      if (!this.skipTo(',')) this.fail('after object key:value pair');
    }
  }

  private array(): void {
    this.at += 1;
    if (this.skipTo(']')) return;
    for (;;) {
      this.value();
      if (this.skipTo(']')) return;
      if (!this.skipTo(',')) this.fail('after array element');
    }
  }

  private string(): void {
    this.at += 1;
    while (this.here !== '"') {
      if (this.here === '\\') this.escape();
      else if (this.here < ' ') this.fail('in string literal');
      else this.at += 1;
    }
    this.at += 1;
  }

  private escape(): void {
    this.at += 1;
    if (this.skipAnyOf('"\\/bfnrt')) return;
    if (!this.skipAnyOf('u')) this.fail('in string escape code');
    for (let digit = 0; digit < 4; digit += 1) this.require(HEX_DIGIT, 'in \\u hexadecimal character escape');
  }

  private number(): void {
    this.skipAnyOf('-');
    if (!this.skipAnyOf('0')) this.digits('in numeric literal');
    if (this.skipAnyOf('.')) this.digits('after decimal point in numeric literal');
    if (this.skipAnyOf('eE')) {
      this.skipAnyOf('+-');
      this.digits('in exponent of numeric literal');
    }
  }

  private digits(context: string): void {
    this.require(DIGIT, context);
    while (DIGIT.test(this.here)) this.at += 1;
  }

  private literal(word: string): void {
    for (const letter of word) {
      if (this.here !== letter) this.fail(`in literal ${word} (expecting ${quoteCharacter(letter)})`);
      this.at += 1;
    }
  }

  /** Steps behind one of the characters where it stands here; false where none does. */
  private skipAnyOf(characters: string): boolean {
    const found = this.here !== '' && characters.includes(this.here);
    if (found) this.at += 1;
    return found;
  }

  /** The same, with white space before it. */
  private skipTo(character: string): boolean {
    this.skipSpace();
    return this.skipAnyOf(character);
  }

  private require(kind: RegExp, context: string): void {
    if (!kind.test(this.here)) this.fail(context);
    this.at += 1;
  }

  /** Empty at the end of the text. */
  private get here(): string {
    return this.text.charAt(this.at);
  }

  private fail(context: string): never {
    const found = this.text.codePointAt(this.at);
    if (found === undefined) throw new SyntaxError('unexpected EOF');
    throw new SyntaxError(`invalid character ${quoteCharacter(String.fromCodePoint(found))} ${context}`);
  }
}

const GO_ESCAPES: Readonly<Record<string, string>> = {
  '\x07': '\\a', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\v': '\\v', '\\': '\\\\', "'": "\\'",
};

/** As Go quotes the byte it stumbled over: the first of the character's UTF-8 bytes, read as Latin-1. */
function quoteCharacter(character: string): string {
  const byte = Buffer.from(character).readUInt8(0);
  const latin = String.fromCharCode(byte);
  const unprintable = byte < 0x20 || byte === 0x7f;
  const hexadecimal = `\\x${byte.toString(16).padStart(2, '0')}`;
  return `'${GO_ESCAPES[latin] ?? (unprintable ? hexadecimal : latin)}'`;
}
