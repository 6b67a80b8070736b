import { afterEach, describe, expect, it, vi } from 'vitest';
import { theApp } from '../support/app.js';
import { call } from '../support/call.js';

afterEach(() => vi.restoreAllMocks());

describe('lines of failures', () => {
  it('are a hundred in a second; those beyond are counted, and one line for each route and status says how many they were', async () => {
    const { log, clock } = await theApp();
    const second = clock.elapsed() + 1_000;
    const elapsed = vi.spyOn(clock, 'elapsed').mockReturnValue(second);
    // It begins the second, and ends the one before.
    await call('GET', '/nowhere');
    const before = log.length;
    for (let time = 0; time < 109; time += 1) expect((await call('GET', '/v1/tokens', { as: `garbage-${time}` })).status).toBe(401);
    for (let time = 0; time < 7; time += 1) expect((await call('GET', `/nowhere/${time}`)).status).toBe(404);
    for (let time = 0; time < 5; time += 1) expect((await call('GET', '/health/live')).status).toBe(200);
    const lines = (): Record<string, unknown>[] => log.slice(before).map((line) => JSON.parse(line) as Record<string, unknown>);
    const unauthorized = { method: 'GET', route: '/v1/tokens', status: 401 };
    expect(lines().map(({ route, status }) => `${String(route)} ${String(status)}`)).toEqual([...Array<string>(99).fill('/v1/tokens 401'), ...Array<string>(5).fill('/health/live 200')]);
    elapsed.mockReturnValue(second + 1_000);
    const { headers } = await call('GET', '/v1/tokens', { as: 'garbage' });
    expect(lines().slice(104)).toEqual([
      expect.objectContaining({ ...unauthorized, more: 10 }),
      expect.objectContaining({ method: 'GET', route: 'none', status: 404, more: 7 }),
      expect.objectContaining({ ...unauthorized, reqId: headers['x-request-id'] }),
    ]);
    expect(log.slice(before).join('')).not.toContain('garbage');
  });
});
