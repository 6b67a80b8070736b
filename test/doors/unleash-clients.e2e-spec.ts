import { once } from 'node:events';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { InMemStorageProvider, Unleash, UnleashEvents } from 'unleash-client';
import { EVENTS, InMemoryStorageProvider, UnleashClient } from 'unleash-proxy-client';
import { theApp } from '../support/app.js';
import { aTenant, type TestTenant } from '../support/builders.js';
import { call } from '../support/call.js';
import { inPath, listed, mintToken, projectTokens } from '../support/unleash.js';

const PATIENCE_MS = 10_000;

let base: string;
let tenant: TestTenant;
beforeAll(async () => {
  const { app } = await theApp();
  if (!app.getHttpServer().listening) await app.listen(0, '127.0.0.1');
  base = `http://127.0.0.1:${(app.getHttpServer().address() as { port: number }).port}`;
  tenant = await aTenant();
});

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

const revoke = (secret: string) => call('DELETE', inPath(projectTokens(), secret), { as: tenant.admin.session });

describe('unleash-client, the SDK of Node.js', () => {
  function start(secret: string): Unleash {
    const client = new Unleash({
      url: `${base}/api/`,
      appName: 'checkout',
      customHeaders: { Authorization: secret },
      refreshInterval: 100,
      metricsInterval: 100,
      storageProvider: new InMemStorageProvider(),
    });
    stops.push(() => client.destroy());
    return client;
  }

  /** What the client reports with its next event of this name; fails where it reports an error first, or nothing in time. */
  const next = (client: Unleash, event: UnleashEvents): Promise<unknown[]> => once(client, event, { signal: AbortSignal.timeout(PATIENCE_MS) });

  it.each(['backend', 'client'])('starts with a %s token, registers, sends metrics and asks again by entity tag, until the token is revoked', async (type) => {
    const { secret } = await mintToken(tenant, { tokenName: `live ${type}`, type });
    const client = start(secret);
    const [, , [registered]] = await Promise.all([UnleashEvents.Ready, UnleashEvents.Synchronized, UnleashEvents.Registered].map((event) => next(client, event)));
    expect(registered).toMatchObject({ appName: 'checkout' });
    await next(client, UnleashEvents.Unchanged);
    expect([client.isEnabled('nothing'), client.getFeatureToggleDefinitions()]).toEqual([false, []]);
    const [sent] = await next(client, UnleashEvents.Sent);
    expect(sent).toMatchObject({ bucket: { toggles: { nothing: { yes: 0, no: 1 } } } });
    const [refusal] = await Promise.all([next(client, UnleashEvents.Error), revoke(secret)]);
    expect(String(refusal[0])).toContain('/api/client/features responded 401 which means your API key is not allowed to connect');
  });

  it.each([
    ['a frontend token', { type: 'frontend' }, 403],
    ['an expired token', { expiresAt: '2020-01-01T00:00:00Z' }, 401],
  ])('is refused with %s', async (_, body, status) => {
    const { secret } = await mintToken(tenant, body);
    const [refusal] = await next(start(secret), UnleashEvents.Error);
    expect(String(refusal)).toContain(`responded ${status}`);
  });

  it('is refused with what the list shows of a token', async () => {
    await mintToken(tenant, { tokenName: 'listed' });
    const [refusal] = await next(start((await listed(tenant, 'listed'))[0]?.['secret']), UnleashEvents.Error);
    expect(String(refusal)).toContain('responded 401');
  });
});

describe('unleash-proxy-client, the SDK of browsers', () => {
  async function start(secret: string): Promise<UnleashClient> {
    vi.spyOn(console, 'error').mockImplementation(() => undefined);
    stops.push(() => vi.restoreAllMocks());
    const client = new UnleashClient({
      url: `${base}/api/frontend`,
      clientKey: secret,
      appName: 'shop',
      refreshInterval: 0.1,
      metricsInterval: 0.1,
      metricsIntervalInitial: 0.1,
      storageProvider: new InMemoryStorageProvider(),
      fetch,
    });
    stops.push(() => client.stop());
    return client;
  }

  function next<Report>(client: UnleashClient, event: string): Promise<Report> {
    return new Promise((resolve, reject) => {
      const timeout = setTimeout(() => reject(new Error(`no ${event} in time`)), PATIENCE_MS);
      client.once(event, (report: Report) => {
        clearTimeout(timeout);
        resolve(report);
      });
    });
  }

  it('starts with a frontend token and sends metrics, until the token is revoked', async () => {
    const { secret } = await mintToken(tenant, { type: 'frontend' });
    const client = await start(secret);
    const ready = next(client, EVENTS.READY);
    await client.start();
    await ready;
    expect([client.getAllToggles(), client.isEnabled('nothing')]).toEqual([[], false]);
    expect(await next(client, EVENTS.SENT)).toMatchObject({ appName: 'shop', bucket: { toggles: { nothing: { no: 1 } } } });
    const [refusal] = await Promise.all([next(client, EVENTS.ERROR), revoke(secret)]);
    expect(refusal).toEqual({ type: 'HttpError', code: 401 });
  });

  it.each([
    ['a backend token', {}, 403],
    ['an expired token', { type: 'frontend', expiresAt: '2020-01-01T00:00:00Z' }, 401],
  ])('is refused with %s', async (_, body, code) => {
    const client = await start((await mintToken(tenant, body))['secret']);
    const refusal = next(client, EVENTS.ERROR);
    await client.start();
    expect(await refusal).toEqual({ type: 'HttpError', code });
    expect(client.isReady()).toBe(false);
  });
});
