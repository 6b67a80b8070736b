import { canonicalJson, linkHash } from './audit-chain.js';
import { readLine, type EventLine, type ExportLine } from './export-lines.js';

export type Fault =
  | 'changed-event'
  | 'missing-event'
  | 'reordered'
  | 'forged-hash'
  | 'missing-checkpoint'
  | 'wrong-signature'
  | 'unknown-key'
  | 'cut-off'
  | 'malformed';

/** The first thing that is wrong with an export: what, and where. */
export class ChainBroken extends Error {
  constructor(
    readonly kind: Fault,
    readonly sequence: number,
    /** Null where it is not known which event is concerned. */
    readonly eventId: string | null,
    message: string,
  ) {
    super(message);
    this.name = 'ChainBroken';
  }
}

/** A link that does not follow from the one before. */
export interface Suspect {
  readonly expected: number;
  /** The hash before, which is proven. */
  readonly previous: Buffer;
  readonly line: EventLine;
}

/** Reads the export once more to say what was done to the suspect. */
export async function diagnose(lines: AsyncIterable<string>, { expected, previous, line }: Suspect): Promise<ChainBroken> {
  const own = hashOf(previous, line);
  let successor: EventLine | null = null;
  let passed = false;
  let isConfirmed = false;
  for await (const text of lines) {
    const other = readLine(text);
    if (!other) continue;
    isConfirmed ||= confirms(other, line, own);
    if (other.type !== 'event') continue;
    if (isSame(other, line)) {
      passed = true;
      continue;
    }
    if (passed) successor ??= other;
    if (belongsHere(other)) {
      return new ChainBroken('reordered', expected, line.event_id, `the event ${other.event_id}, which stands at ${other.sequence}, belongs here`);
    }
  }
  if (line.sequence < expected) return new ChainBroken('reordered', expected, line.event_id, `the event of sequence ${line.sequence} stands here`);
  if (line.sequence > expected) {
    const gap = line.sequence === expected + 1 ? 'its link is' : `this and all links up to ${line.sequence - 1} are`;
    return new ChainBroken('missing-event', expected, null, `${gap} gone, the chain goes on with sequence ${line.sequence} (event ${line.event_id})`);
  }
  if (own?.toString('hex') === line.hash) {
    return new ChainBroken('changed-event', expected, line.event_id, 'its line names another event than the one that stands there, or the event another organization');
  }
  if (isConfirmed || (own && successor && hashOf(own, successor)?.toString('hex') === successor.hash)) {
    return new ChainBroken('forged-hash', expected, line.event_id, 'the event is the one that was sealed, the hash of its link is not');
  }
  return new ChainBroken('changed-event', expected, line.event_id, 'the event is not the one that was sealed');

  function belongsHere(other: EventLine): boolean {
    if (line.sequence !== expected) return other.sequence === expected;
    const hash = hashOf(previous, other)?.toString('hex');
    return hash !== undefined && (hash === line.hash || hash === other.hash);
  }
}

/** Whether the service signed the hash that follows from the suspect's event. */
function confirms(other: ExportLine, line: EventLine, own: Buffer | null): boolean {
  return other.type === 'checkpoint' && other.sequence === line.sequence && other.hash === own?.toString('hex');
}

function isSame(left: EventLine, right: EventLine): boolean {
  return left.sequence === right.sequence && left.event_id === right.event_id && left.hash === right.hash;
}

/** What the link's hash must be behind this one; null for an event that is lost or has no canonical form. */
export function hashOf(previous: Buffer, { event }: EventLine): Buffer | null {
  if (!event) return null;
  try {
    return linkHash(previous, canonicalJson(event));
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}
