import { isAscii } from 'node:buffer';
import { DomainError } from '../failure.js';
import type { BodyPolicy } from './door.js';

export const BODY_BYTES_MAX = 64 * 1024;
export const NESTING_MAX = 16;
const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** A body as it arrived; what it says is read when its dialect wants it read. */
export class ReceivedBody {
  private parsed: { readonly value: unknown } | null = null;

  constructor(
    /** Whatever was sent. */
    readonly bytes: Buffer,
    private readonly contentType: string | undefined,
    private readonly policy: BodyPolicy,
  ) {}

  get refusesOthers(): boolean {
    return this.policy.refusesOthers === true;
  }

  /** The value the body stands for; undefined where there is none. */
  read(): unknown {
    this.requireSupportedType();
    return this.parsed ? this.parsed.value : this.parse();
  }

  /** The text, byte by byte, of a body of exactly this content type; null for any other. */
  textOf(contentType: string): string | null {
    return this.contentType === contentType ? this.bytes.toString('latin1') : null;
  }

  /** Refuses a body that is not well-formed, whatever its media type is called, where its dialect does so before it judges the caller. */
  requireWellFormed(): void {
    if (this.policy.malformedFirst && this.isAccepted()) this.parsed = { value: this.parse() };
  }

  private parse(): unknown {
    const text = this.text();
    if (this.mediaType !== null && text !== '' && this.policy.isText?.(this.mediaType)) return text;
    if (this.policy.form && this.mediaType === 'application/x-www-form-urlencoded') return readForm(text);
    if (text.trim() === '') {
      if (this.policy.empty === 'malformed') throw unreadable('the body is empty', text);
      return this.policy.empty === 'empty-object' ? {} : undefined;
    }
    requireShallow(text);
    try {
      return (this.policy.parse ?? JSON.parse)(text);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw malformed(error.message, text);
    }
  }

  private text(): string {
    if (isAscii(this.bytes)) return this.bytes.toString('latin1');
    try {
      return UTF8.decode(this.bytes);
    } catch {
      throw unreadable('the body is not UTF-8 text', '');
    }
  }

  private get mediaType(): string | null {
    return this.contentType?.split(';')[0]?.trim().toLowerCase() || null;
  }

  private isAccepted(): boolean {
    const { accepts, form } = this.policy;
    if (accepts === 'any') return true;
    const type = this.mediaType;
    return type !== null && (accepts.includes(type) || (form === true && type === 'application/x-www-form-urlencoded'));
  }

  private requireSupportedType(): void {
    if (this.isAccepted() || (this.mediaType === null && this.bytes.length === 0)) return;
    const supported = this.policy.accepts === 'any' ? [] : this.policy.accepts;
    throw new DomainError('content-type-unsupported', 'The content type of the request is not supported.', {
      contentType: this.mediaType,
      supported: this.policy.form ? [...supported, 'application/x-www-form-urlencoded'] : supported,
    });
  }
}

/** What a parser says may repeat the body; it is for dialects that do so too. */
function malformed(reason: string, body: string): DomainError {
  return new DomainError('body-malformed', 'The request body is malformed.', { reason, body });
}

function unreadable(reason: string, body: string): DomainError {
  return new DomainError('body-malformed', `The request cannot be read: ${reason}.`, { reason, body });
}

const [BACKSLASH, QUOTE] = [0x5c, 0x22];
const OPENING = [0x7b, 0x5b];
const CLOSING = [0x7d, 0x5d];

/** Refuses deep nesting before anything recurses into it. */
function requireShallow(text: string): void {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charCodeAt(index);
    if (inString) {
      if (character === BACKSLASH) index += 1;
      else if (character === QUOTE) inString = false;
    } else if (character === QUOTE) inString = true;
    else if (OPENING.includes(character)) {
      depth += 1;
      if (depth > NESTING_MAX) throw unreadable(`the body is nested deeper than ${NESTING_MAX} levels`, text);
    } else if (CLOSING.includes(character)) depth -= 1;
  }
}

function readForm(text: string): Record<string, string | string[]> {
  const values = new Map<string, string | string[]>();
  for (const [name, value] of new URLSearchParams(text)) {
    const earlier = values.get(name);
    values.set(name, earlier === undefined ? value : [earlier, value].flat());
  }
  return Object.fromEntries(values);
}
