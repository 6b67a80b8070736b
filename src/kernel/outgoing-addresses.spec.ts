import { describe, expect, it } from 'vitest';
import { OutgoingAddresses } from './outgoing-addresses.js';

describe('the addresses the service may connect to', () => {
  const none = new OutgoingAddresses([]);

  it.each(['93.184.215.14', '8.8.8.8', '2606:2800:21f:cb07::1', '::ffff:8.8.8.8'])('include the public %s', (address) => {
    expect(none.allows(address)).toBe(true);
    expect(none.isNamed(address)).toBe(false);
  });

  it.each([
    ['loopback', '127.0.0.1'], ['loopback', '127.255.255.254'], ['loopback', '::1'], ['unspecified', '0.0.0.0'], ['unspecified', '::'], ['this network', '0.1.2.3'],
    ['private', '10.0.0.1'], ['private', '172.16.0.1'], ['private', '172.31.255.255'], ['private', '192.168.1.1'],
    ['link-local', '169.254.0.1'], ['link-local', 'fe80::1'], ['unique local', 'fd00::1'], ['unique local', 'fc00::1'], ['site-local', 'fec0::1'],
    ['shared by a carrier', '100.64.0.1'], ['metadata', '169.254.169.254'], ['metadata', 'fd00:ec2::254'], ['metadata', '100.100.100.200'], ['metadata', '168.63.129.16'],
    ['multicast', '224.0.0.1'], ['multicast', 'ff02::1'], ['broadcast', '255.255.255.255'], ['reserved', '240.0.0.1'],
    ['for benchmarks', '198.18.0.1'], ['for documentation', '192.0.2.1'], ['for documentation', '2001:db8::1'], ['for protocols', '192.0.0.1'],
    ['mapped', '::ffff:127.0.0.1'], ['mapped', '::ffff:a00:1'], ['compatible', '::7f00:1'], ['translated', '64:ff9b::7f00:1'], ['translated', '64:ff9b:1::a00:1'],
    ['tunnelled', '2002:7f00:1::'], ['tunnelled', '2001:0:4136:e378:8000:63bf:3fff:fdd2'],
  ])('do not include the %s address %s', (_, address) => {
    expect(none.allows(address)).toBe(false);
  });

  it('include those that are named, whatever they are, and no other', () => {
    const some = new OutgoingAddresses(['10.1.0.0/16', '127.0.0.1', 'fd00::/8']);
    for (const address of ['10.1.2.3', '127.0.0.1', '::ffff:10.1.2.3', 'fd00::1']) expect([address, some.allows(address), some.isNamed(address)]).toEqual([address, true, true]);
    for (const address of ['10.2.0.1', '127.0.0.2', 'fc00::1', '::1']) expect([address, some.allows(address)]).toEqual([address, false]);
    expect([none.hasNamed, some.hasNamed]).toEqual([false, true]);
  });
});
