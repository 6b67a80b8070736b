import { describe, expect, it } from 'vitest';
import { isAllowedAddress, isWithin, parseAddressEntry } from './address-list.js';

describe('isAllowedAddress', () => {
  it.each([
    ['10.1.2.3', ['10.0.0.0/8'], true],
    ['::ffff:10.1.2.3', ['10.0.0.0/8'], true],
    ['11.0.0.1', ['10.0.0.0/8'], false],
    ['10.1.2.3', ['10.9.9.9/8'], true],
    ['2001:db8::1', ['2001:db8::/32'], true],
    ['2001:db9::1', ['2001:db8::/32'], false],
    ['192.0.2.7', ['0.0.0.0/0', '::/0'], true],
    ['2001:db8::1', ['0.0.0.0/0', '::/0'], true],
    ['192.0.2.7', [], false],
    ['not an address', ['0.0.0.0/0'], false],
    ['192.0.2.7', ['192.0.2.7'], true],
    ['192.0.2.7', ['unreadable'], false],
  ])('judges %s against %j', (address, entries, expected) => {
    expect(isAllowedAddress(address, entries)).toBe(expected);
  });

  it('allows every address where there is no list', () => {
    expect(isAllowedAddress('192.0.2.7', null)).toBe(true);
  });
});

describe('parseAddressEntry', () => {
  it.each(['', '10', '010.0.0.1', '0x0a.0.0.1', '10.0.0.0/33', '::1/129', 'fe80::1%eth0', '10.0.0.0/8/8', '10.0.0.0/-1', '10.0.0.0/'])('refuses %j', (text) => {
    expect(parseAddressEntry(text)).toBeNull();
  });

  it('keeps host bits and tells an address from a range', () => {
    expect(parseAddressEntry('10.1.2.3/8')).toEqual({ address: '10.1.2.3', family: 'ipv4', prefix: 8 });
    expect(parseAddressEntry('::1')).toEqual({ address: '::1', family: 'ipv6', prefix: null });
  });
});

describe('isWithin', () => {
  it.each([
    [['10.1.0.0/16', '10.2.3.4'], ['10.0.0.0/8'], true],
    [['10.0.0.0/8'], ['10.0.0.0/8'], true],
    [['10.0.0.0/8'], ['10.1.0.0/16'], false],
    [['10.1.2.3', '192.0.2.1'], ['10.0.0.0/8'], false],
    [['::ffff:10.1.2.3'], ['10.0.0.0/8'], true],
    [['10.1.2.3'], null, true],
    [null, null, true],
    [null, ['0.0.0.0/0', '::/0'], false],
    [[], ['10.0.0.0/8'], true],
  ])('%j in %j: %s', (inner, outer, expected) => {
    expect(isWithin(inner, outer)).toBe(expected);
  });
});
