import dns from 'node:dns';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { aTenant, type TestTenant } from '../support/builders.js';
import { call, type Answer } from '../support/call.js';
import { ownInstallation } from '../support/installation.js';
import { aReceiver, type Receiver } from '../support/receiver.js';
import { aWebhook, deliver, deliveriesOf } from '../support/webhooks.js';

// The operator of the tests has named 127.0.0.1, and nothing else.
ownInstallation();

let tenant: TestTenant;
let receiver: Receiver;
beforeAll(async () => {
  tenant = await aTenant();
  receiver = await aReceiver();
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => receiver.close());

const create = (url: string): Promise<Answer> => call('POST', '/v1/webhooks', { as: tenant.admin.session, body: { url, events: ['token.created'] } });

async function resultOfPing(url: string): Promise<any> {
  const webhook = await aWebhook(tenant, url);
  await call('POST', `${webhook.path}/ping`, { as: tenant.admin.session });
  await deliver();
  return (await deliveriesOf(tenant, webhook))[0];
}

describe('a webhook', () => {
  it.each([
    'https://10.0.0.1', 'https://192.168.1.1/x', 'https://169.254.169.254/latest/meta-data', 'https://100.64.0.1', 'https://[::1]', 'https://[fd00::1]', 'https://[::ffff:10.0.0.1]',
    'https://0x0a000001', 'https://167772161', 'https://012.0.0.1', 'https://10.1', 'https://127.0.0.2', 'https://168.63.129.16', 'https://0.0.0.0', 'http://93.184.215.14', 'http://[2606:2800:21f::1]',
  ])('cannot be made for %s, however the address is spelled', async (url) => {
    const { status, body } = await create(url);
    expect([url, status, body.errors]).toEqual([url, 400, [{ path: 'url', message: 'must not lead to a private, local or reserved address' }]]);
  });

  it.each(['http://internal.acme.example', 'https://localhost'])('for the name in %s reaches no address that is not allowed, whatever it resolves to by then', async (url) => {
    const port = new URL(receiver.url).port;
    for (const address of ['127.0.0.2', '10.0.0.1', '169.254.169.254', '::1', '::ffff:7f00:2', 'fd00::1', ...(url.startsWith('http:') ? ['93.184.215.14'] : [])]) {
      resolveAllTo([address]);
      expect([address, await resultOfPing(`${url}:${port}`)]).toMatchObject([address, { status: 'pending', error: 'address-not-allowed', response_status: null }]);
    }
    expect(receiver.received).toEqual([]);
  });

  it('connects to the very address that was judged: of several, to one that is allowed', async () => {
    resolveAllTo(['10.0.0.1', '127.0.0.1']);
    expect(await resultOfPing(receiver.url.replace('127.0.0.1', 'hooks.acme.example'))).toMatchObject({ status: 'delivered', response_status: 204 });
    expect(receiver.received.at(-1)?.headers.host).toContain('hooks.acme.example');
  });
});

/** What a resolver in an attacker's hands could answer. */
function resolveAllTo(addresses: readonly string[]): void {
  const answer = (_: string, __: object, done: (error: null, found: object[]) => void): void =>
    done(null, addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
  vi.spyOn(dns, 'lookup').mockImplementation(answer as never);
}
