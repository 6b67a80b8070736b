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
  const list = new BlockList();
  for (const text of entries) {
    const entry = parseAddressEntry(text);
    if (entry?.prefix != null) list.addSubnet(entry.address, entry.prefix, entry.family);
    else if (entry) list.addAddress(entry.address, entry.family);
  }
  return list.check(plain, family === 4 ? 'ipv4' : 'ipv6');
}
