import { drawSecret, hasValidChecksum } from '../../../src/tokens/token-secret.js';
import type { Answer } from '../../support/call.js';

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;
const SECRET_LENGTH = 49;

/** What differs between any two answers, whatever was asked. Ids of the other tenant are looked for apart, before this. */
const MASKS: readonly (readonly [RegExp, string])[] = [
  [/req-\w{14}/g, 'REQUEST'],
  [/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, 'JWT'],
  [UUID, 'UUID'],
  [/fresh\d+z/g, 'FRESH'],
  [/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?/g, 'TIME'],
  [/\b1[789]\d{8}(\d{3})?\b/g, 'EPOCH'],
  [/\b[0-9a-f]{64}\b/g, 'HASH'],
  [/"(signature|thumbprint)":"[\w-]+"/g, '"SIGNATURE"'],
  [/whsec_[0-9A-Za-z+/=]+/g, 'SECRET'],
  [/msg_[0-9a-f]{32}/g, 'MESSAGE'],
  [/[0-9A-Za-z]{49}/g, 'SECRET'],
  [/…[0-9A-Za-z]{4}/g, 'HINT'],
  [/"(next_cursor|nextPageToken)":"[^"]*"/g, '"$1":"CURSOR"'],
  [/"secret":"[\w-]{22}"/g, '"secret":"SELECTOR"'],
  [/"id":"[0-9A-Z]{20}"/g, '"id":"SHORT"'],
  [/"prefix":"\w+"|"clientSecretPrefix":"\w+"/g, '"PREFIX"'],
  [/"(etag|queryHash|revisionId)":("[^"]*"|\d+)/g, '"$1":"TAG"'],
  [/"(expires_in|expiresIn)":\d+/g, '"$1":SECONDS'],
  // Each request comes from another address (`send`), and the record says from which.
  [/\b10\.\d+\.\d+\.\d+\b/g, 'ADDRESS'],
  [/"number":\d+|"sequence":\d+/g, '"NUMBER"'],
  // A dialect that says which letter of a malformed id is wrong.
  [/found `.` at \d+/gu, 'found `?`'],
];

/** What is left of a limit falls with each of one's own requests; test/limits shows that nobody else's count. */
const COUNTED = ['ratelimit', 'ratelimit-remaining', 'ratelimit-reset'];
const NOT_COMPARED = ['date', 'x-request-id', 'content-length', 'etag', ...COUNTED];

/** The answer without what differs from request to request, and without what was sent. */
export function shapeOf({ status, headers, text }: Answer, sent: readonly string[]): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${NOT_COMPARED.includes(name) ? '…' : masked(String(value), sent)}`);
  return [status, ...lines.sort(), masked(text, sent)].join('\n');
}

function masked(text: string, sent: readonly string[]): string {
  return MASKS.reduce((result, [pattern, word]) => result.replace(pattern, word), without(text, sent));
}

/** The text with every repetition of what was sent taken for one word. */
export function without(text: string, sent: readonly string[]): string {
  const forms = [...new Set(sent.flatMap((each) => [each, encodeURIComponent(each), JSON.stringify(each).slice(1, -1), each.toLowerCase(), each.toUpperCase()]))];
  return forms.filter((form) => form.length > 2).sort((a, b) => b.length - a.length).reduce((result, form) => result.replaceAll(form, 'SENT'), text);
}

/** Traces of the other tenant in an answer that were not sent to it. */
export function tracesIn({ headers, text }: Answer, sent: readonly string[], traces: readonly string[]): readonly string[] {
  const rest = without(`${JSON.stringify(headers)}\n${text}`, sent).toLowerCase();
  // One look for the mark and one for the ids: there are hundreds.
  return traces.filter((trace) => rest.includes(trace.toLowerCase()));
}

const absent = new Map<string, string>();

/** What looks like this and names nothing; for one text always the same. */
export function absentLike(value: string): string {
  const known = absent.get(value);
  if (known !== undefined) return known;
  const made = invent(value);
  absent.set(value, made);
  return made;
}

let invented = 0;

function invent(value: string): string {
  const number = (invented += 1).toString(16).padStart(6, '0');
  if (/^\d+$/.test(value)) return String(Number(value) + 1000);
  if (hasValidChecksum(value)) return drawSecret(value.slice(0, -SECRET_LENGTH));
  if (value.includes('canary')) return value.replace(/canary[0-9a-f]+/, `absent${number}${'0'.repeat(6)}`);
  const decoded = Buffer.from(value, 'base64url').toString('latin1');
  // A cursor: the same place in a list, but for the id.
  if (/^[\x20-\x7e]+$/.test(decoded) && decoded.search(UUID) !== -1) return Buffer.from(decoded.replace(UUID, uuidLike(number))).toString('base64url');
  if (new RegExp(UUID.source, 'i').test(value)) return value.replace(UUID, uuidLike(number));
  if (/^[\w-]{22}$/.test(value)) return Buffer.from(uuidLike(number).replaceAll('-', ''), 'hex').toString('base64url');
  // Letters for letters and figures for figures.
  return value.replace(/[0-9A-Za-z]{1,4}(?=[^0-9A-Za-z]*$)/, (end) => end.replace(/\d/g, '7').replace(/[a-z]/g, 'q').replace(/[A-Z]/g, 'Q'));
}

const uuidLike = (number: string): string => `0a${number}-0000-4000-8000-000000${number}`;

/** Where two answers begin to differ. */
export function difference(one: string, other: string): string {
  const at = [...one].findIndex((letter, index) => letter !== other[index]);
  const [left, right] = [one, other].map((text) => text.slice(Math.max(0, at - 100), at + 150).replaceAll('\n', ' '));
  return `\n    ${left}\n    ${right}`;
}
