import type { JsonWebKey } from 'node:crypto';
import { isUuid } from '../kernel/ids.js';
import { Instant } from '../kernel/instant.js';
import type { CheckpointStatement, EndStatement } from './audit-chain.js';

export const EXPORT_FORMAT = 'gatehouse-audit-export/1';

/** The first line of an export. */
export interface HeaderLine {
  readonly type: 'export';
  readonly format: typeof EXPORT_FORMAT;
  readonly organization_id: string;
  readonly exported_at: string;
  /** Public keys (RFC 7517) that the signatures below are made with. */
  readonly keys: readonly JsonWebKey[];
}

/** One link of the chain, oldest first; `event` is null where the database has lost it. */
export interface EventLine {
  readonly type: 'event';
  readonly sequence: number;
  readonly hash: string;
  readonly event_id: string;
  readonly event: Readonly<Record<string, unknown>> | null;
}

interface Signed {
  readonly key_id: string;
  /** base64url. */
  readonly signature: string;
}

export type CheckpointLine = CheckpointStatement & Signed;
export type EndLine = EndStatement & Signed;
export type ExportLine = HeaderLine | EventLine | CheckpointLine | EndLine;

/** A line as it stands in the file. U+2028 and U+2029 are escaped: some readers take them for line ends. */
export function writeLine(line: ExportLine): string {
  return `${JSON.stringify(line).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')}\n`;
}

const isHash = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isTime = (value: unknown): boolean => typeof value === 'string' && Instant.parse(value) !== null;
const isKeyId = (value: unknown): boolean => typeof value === 'string' && /^[\w-]{1,64}$/.test(value);
const isSignature = (value: unknown): boolean => typeof value === 'string' && /^[\w-]{86}$/.test(value);
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

type Shape = Readonly<Record<string, (value: unknown) => boolean>>;
const SIGNED: Shape = { key_id: isKeyId, signature: isSignature };
const SHAPES: Readonly<Record<ExportLine['type'], Shape>> = {
  export: {
    format: (value) => value === EXPORT_FORMAT,
    organization_id: isUuid,
    exported_at: isTime,
    keys: (value) => Array.isArray(value) && value.every(isObject),
  },
  event: { sequence: isCount, hash: isHash, event_id: isUuid, event: (value) => value === null || isObject(value) },
  checkpoint: { organization_id: isUuid, first_sequence: isCount, sequence: isCount, hash: isHash, signed_at: isTime, ...SIGNED },
  end: { organization_id: isUuid, exported_at: isTime, events: isCount, checkpoints: isCount, hash: isHash, ...SIGNED },
};

/** Reads what `writeLine` wrote, every member of the right shape and no other beside it; null for anything else. */
export function readLine(text: string): ExportLine | null {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(line)) return null;
  const members = line as Readonly<Record<string, unknown>>;
  const type = String(members['type']);
  if (!Object.hasOwn(SHAPES, type)) return null;
  const shape = SHAPES[type as ExportLine['type']];
  const fits = Object.entries(shape).every(([name, isGood]) => isGood(members[name]));
  return fits && Object.keys(members).length === Object.keys(shape).length + 1 ? (line as ExportLine) : null;
}
