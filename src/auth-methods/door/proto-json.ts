const UNSAFE_IN_HTML = /[<>&\u2028\u2029]/g;
/** Text that stands in JSON, and in HTML, as it is. */
const PLAIN = /^[ !#-%'-;=?-[\]-~]*$/;

/**
 * A message as gRPC's gateway writes it: members in the order they have, keys of a `Map` sorted, what is unset
 * written too, no white space, and characters that HTML could mistake escaped.
 */
export function toProtoJson(message: object): string {
  return print(message, null);
}

/** The same for readers: indented by two spaces, without what is unset. */
export function toPrettyProtoJson(message: object): string {
  return print(message, '\n');
}

/** `newline` leads to the place the value stands at; null for no white space at all. */
function print(value: unknown, newline: string | null): string {
  if (typeof value !== 'object' || value === null) return newline === null ? toHtmlSafeText(value) : JSON.stringify(value);
  const inner = newline === null ? null : `${newline}  `;
  if (Array.isArray(value)) return enclose('[', value.map((item) => print(item, inner)), ']', newline);
  const written = membersOf(value).filter(([, member]) => newline === null || value instanceof Map || !isUnset(member));
  const colon = newline === null ? ':' : ': ';
  return enclose('{', written.map(([name, member]) => `${print(name, inner)}${colon}${print(member, inner)}`), '}', newline);
}

function enclose(open: string, parts: readonly string[], close: string, newline: string | null): string {
  if (newline === null || parts.length === 0) return `${open}${parts.join(',')}${close}`;
  return `${open}${parts.map((part) => `${newline}  ${part}`).join(',')}${newline}${close}`;
}

function membersOf(value: object): readonly (readonly [string, unknown])[] {
  if (!(value instanceof Map)) return Object.entries(value);
  return [...(value as Map<string, unknown>)].sort(([left], [right]) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
}

function isUnset(member: unknown): boolean {
  if (member instanceof Map) return member.size === 0;
  return member === null || member === '' || member === false || (Array.isArray(member) && member.length === 0);
}

function toHtmlSafeText(value: unknown): string {
  if (typeof value === 'string' && PLAIN.test(value)) return `"${value}"`;
  return JSON.stringify(value).replace(UNSAFE_IN_HTML, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
