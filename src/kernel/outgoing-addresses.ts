import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Public by its range, and yet a cloud's own service for the machine that asks (Azure). */
const CLOUD_SERVICES = ['168.63.129.16'];

/** Which addresses the service may connect to on somebody else's word: public ones, and those that the operator has named. */
export class OutgoingAddresses {
  private readonly named: readonly [Address, number][];

  /** Addresses and CIDR ranges. */
  constructor(named: readonly string[]) {
    this.named = named.map((entry) => (entry.includes('/') ? ipaddr.parseCIDR(entry) : wholeRange(ipaddr.parse(entry))));
  }

  /** Whether there is any place that may be reached without encryption. */
  get hasNamed(): boolean {
    return this.named.length > 0;
  }

  /** Whether the operator has named the address: such a one may be private, and may be spoken to without encryption. */
  isNamed(text: string): boolean {
    const address = ipaddr.process(text);
    return this.named.some(([range, bits]) => address.kind() === range.kind() && address.match(range, bits));
  }

  /** `text` is an address, never a name; an IPv4 address in IPv6 form is judged as what it is. */
  allows(text: string): boolean {
    return this.isNamed(text) || isPublic(ipaddr.process(text));
  }
}

function isPublic(address: Address): boolean {
  if (CLOUD_SERVICES.includes(address.toString())) return false;
  if (address.range() !== 'unicast') return false;
  // Of IPv6, only what is assigned as global unicast (RFC 4291 section 2.4).
  return address.kind() === 'ipv4' || address.match(GLOBAL_UNICAST);
}

const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3');

function wholeRange(address: Address): [Address, number] {
  return [address, address.kind() === 'ipv4' ? 32 : 128];
}
