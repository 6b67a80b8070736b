import { isIP } from 'node:net';

/**
 * The network that one customer has: a single IPv4 address, or the 64 bits of an IPv6 address (RFC 6177), as a CIDR
 * range in one spelling. IPv4 in the clothes of IPv6 is IPv4. What is no address is the range of no address.
 */
export function networkOf(ip: string): string {
  const plain = ip.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '');
  const family = isIP(plain);
  if (family === 4) return `${plain}/32`;
  if (family === 0) return '0.0.0.0/32';
  // As the URL standard spells it: compressed, in lower case, without dotted quads.
  const [head = '', tail = ''] = new URL(`http://[${plain}]/`).hostname.slice(1, -1).split('::');
  const [left, right] = [groupsOf(head), groupsOf(tail)];
  const groups = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
  return mappedIpv4(groups) ?? `${groups.slice(0, 4).join(':')}::/64`;
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':');
}

function mappedIpv4(groups: readonly string[]): string | null {
  if (groups.slice(0, 5).some((group) => group !== '0') || groups[5] !== 'ffff') return null;
  const bytes = groups.slice(6).flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255]);
  return `${bytes.join('.')}/32`;
}
