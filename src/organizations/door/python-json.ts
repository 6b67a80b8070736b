/** Where and why Python's `json` module gives up on a text. */
export interface JsonFault {
  /** Counted in code points, as Python counts. */
  readonly position: number;
  readonly message: string;
}

const DEPTH_MAX = 16;
const SPACE = /[ \t\n\r]*/y;
const LITERAL = /null|true|false|NaN|-?Infinity|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;

/** The first fault that Python 3.11 finds in a text; null where it finds none, or the text nests too deep to look. */
export function findJsonFault(text: string): JsonFault | null {
  try {
    new Reading(text).document();
    return null;
  } catch (error) {
    if (error instanceof Stop) return error.message === '' ? null : { position: [...text.slice(0, error.at)].length, message: error.message };
    throw error;
  }
}

class Stop extends Error {
  constructor(
    readonly at: number,
    message: string,
  ) {
    super(message);
  }
}

/** Walks through a text in the order in which Python looks at it. */
class Reading {
  private at = 0;

  constructor(private readonly text: string) {}

  document(): void {
    this.space();
    this.value(0);
    this.space();
    if (this.at < this.text.length) throw new Stop(this.at, 'Extra data');
  }

  private value(depth: number): void {
    if (depth > DEPTH_MAX) throw new Stop(this.at, '');
    if (this.take('"')) this.string();
    else if (this.take('{')) this.object(depth);
    else if (this.take('[')) this.array(depth);
    else if (!this.skip(LITERAL)) throw new Stop(this.at, 'Expecting value');
  }

  private object(depth: number): void {
    this.space();
    if (this.take('}')) return;
    for (;;) {
      if (!this.take('"')) throw new Stop(this.at, 'Expecting property name enclosed in double quotes');
      this.string();
      this.space();
      if (!this.take(':')) throw new Stop(this.at, "Expecting ':' delimiter");
      this.space();
      this.value(depth + 1);
      this.space();
      if (this.take('}')) return;
      this.comma();
    }
  }

  private array(depth: number): void {
    this.space();
    if (this.take(']')) return;
    for (;;) {
      this.value(depth + 1);
      this.space();
      if (this.take(']')) return;
      this.comma();
    }
  }

  private comma(): void {
    if (!this.take(',')) throw new Stop(this.at, "Expecting ',' delimiter");
    this.space();
  }

  /** Behind its opening quote. */
  private string(): void {
    const start = this.at - 1;
    for (;;) {
      this.skip(PLAIN);
      if (this.take('"')) return;
      if (this.at >= this.text.length) throw new Stop(start, 'Unterminated string starting at');
      if (!this.take('\\')) throw new Stop(this.at, 'Invalid control character at');
      this.escape(start);
    }
  }

  /** Behind its backslash. */
  private escape(start: number): void {
    const character = this.text[this.at];
    if (character === undefined) throw new Stop(start, 'Unterminated string starting at');
    if (character === 'u') {
      // Something has to follow the four digits, if only the closing quote.
      if (!/^[0-9a-f]{4}.$/is.test(this.text.slice(this.at + 1, this.at + 6))) throw new Stop(this.at, 'Invalid \\uXXXX escape');
      this.at += 5;
    } else {
      if (!'"\\/bfnrt'.includes(character)) throw new Stop(this.at - 1, 'Invalid \\escape');
      this.at += 1;
    }
  }

  private space(): void {
    this.skip(SPACE);
  }

  private take(character: string): boolean {
    if (this.text[this.at] !== character) return false;
    this.at += 1;
    return true;
  }

  /** True where it moved. */
  private skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.at;
    const [found = ''] = pattern.exec(this.text) ?? [];
    this.at += found.length;
    return found.length > 0;
  }
}
