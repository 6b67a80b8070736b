import { BlockList, isIP } from 'node:net';

/** An entry as it was written: `10.1.2.3/8` keeps its host bits. */
export interface AddressEntry {
  readonly address: string;
  readonly family: 'ipv4' | 'ipv6';
  readonly prefix: number | null;
}

/** Reads an address or CIDR range; null for anything else (zone ids, octal or short forms, prefixes out of range). */
export function parseAddressEntry(text: string): AddressEntry | null {
  const [address = '', prefix, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0 || address.includes('%')) return null;
  const entry = { address, family: family === 4 ? ('ipv4' as const) : ('ipv6' as const) };
  if (prefix === undefined) return { ...entry, prefix: null };
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > (family === 4 ? 32 : 128)) return null;
  return { ...entry, prefix: Number(prefix) };
}

/** True when there is no list, or the address falls into one of its entries. An unreadable entry allows nothing. */
export function isAllowedAddress(address: string, entries: readonly string[] | null): boolean {
  if (entries === null) return true;
  const plain = address.toLowerCase().startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
  const family = isIP(plain);
  if (family === 0) return false;
  return blockListOf(entries).check(plain, family === 4 ? 'ipv4' : 'ipv6');
}

const read = new WeakMap<readonly string[], BlockList>();

/** Read once for each list, as long as somebody keeps that list. */
function blockListOf(entries: readonly string[]): BlockList {
  const known = read.get(entries);
  if (known) return known;
  const list = new BlockList();
  for (const text of entries) {
    const entry = parseAddressEntry(text);
    if (entry?.prefix != null) list.addSubnet(entry.address, entry.prefix, entry.family);
    else if (entry) list.addAddress(entry.address, entry.family);
  }
  read.set(entries, list);
  return list;
}

/** True for a list that keeps some address out: one with a range of every address of a family does not count. */
export function bindsToAddresses(entries: readonly string[]): boolean {
  return entries.every((text) => parseAddressEntry(text)?.prefix !== 0);
}

/** True where one list lets no address through that the other keeps out; null lets all through. */
export function isWithin(inner: readonly string[] | null, outer: readonly string[] | null): boolean {
  return outer === null || (inner !== null && inner.every((entry) => outer.some((around) => contains(around, entry))));
}

/** A list of what both allow: of any two entries one contains the other, or they have nothing in common. */
export function intersectAddresses(one: readonly string[], other: readonly string[]): string[] {
  const common = one.flatMap((left) => other.flatMap((right) => (contains(right, left) ? [left] : contains(left, right) ? [right] : [])));
  return [...new Set(common)];
}

function contains(outer: string, inner: string): boolean {
  const [around, within] = [parseAddressEntry(outer), parseAddressEntry(inner)];
  return around !== null && within !== null && mappedPrefix(around) <= mappedPrefix(within) && isAllowedAddress(within.address, [outer]);
}

/** As a range of IPv6, of which IPv4 is ::ffff:0:0/96 (RFC 4291 section 2.5.5.2). */
function mappedPrefix({ family, prefix }: AddressEntry): number {
  return family === 'ipv4' ? 96 + (prefix ?? 32) : (prefix ?? 128);
}
