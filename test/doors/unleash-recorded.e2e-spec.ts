import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { aMember, aProject, aTenant } from '../support/builders.js';
import { call } from '../support/call.js';
import { ADMIN_TOKENS, inPath, listed, mintPersonal, mintToken, normalised, projectTokens } from '../support/unleash.js';

interface Recorded {
  readonly name: string;
  readonly request: { readonly method: string; readonly path: string; readonly as?: string; readonly headers?: Record<string, string>; readonly body?: string };
  readonly answer: { readonly status: number; readonly location?: string; readonly body?: unknown };
}

/**
 * What Unleash 8.2.0 answered, numbered as it was recorded; tokens are spelled as with its secure storage. Left out is what
 * is not served: its own login, its event log and its tokens of administrators. An environment left out is `default` here.
 */
const RECORDED = JSON.parse(readFileSync(new URL('./wire/unleash/recorded.json', import.meta.url), 'utf8')) as Recorded[];

describe('as Unleash 8.2.0 was recorded', () => {
  const known = new Map<string, string>();
  beforeAll(async () => {
    const tenant = await aTenant();
    const as = tenant.admin.session;
    for (const project of ['second', 'third']) await aProject(tenant, project);
    known.set('admin', as);
    known.set('viewer', (await aMember(tenant, 'EXTERNAL')).session);
    known.set('personal', (await mintPersonal(as, 'pat1'))['secret']);
    const mint = async (key: string, body: object, path?: string): Promise<void> => {
      known.set(key, (await mintToken(tenant, body, path))['secret']);
    };
    await mint('backend', { tokenName: 'back' });
    await mint('frontend', { tokenName: 'front', type: 'frontend' });
    await mint('past', { tokenName: 'past', expiresAt: '2020-01-01T00:00:00Z' });
    await mint('second', { tokenName: 'other' }, projectTokens('second'));
    await mint('several', { tokenName: 'both', projects: ['default', 'second'] }, ADMIN_TOKENS);
    await mint('changed', { tokenName: 'upd', type: 'client' }, ADMIN_TOKENS);
    await call('PUT', inPath(ADMIN_TOKENS, known.get('changed') ?? ''), { as, body: { expiresAt: '2031-01-01T00:00:00Z' } });
    await mint('to-select', { tokenName: 'to-select' });
    known.set('selector', (await listed(tenant, 'to-select'))[0]?.['secret']);
    const features = await call('GET', '/api/client/features', { as: known.get('backend') });
    known.set('features-etag', String(features.headers['etag']));
  });

  const filled = (text: string): string =>
    text.replace(/\{\{([\w-]+)(\|encoded)?\}\}/g, (_, name: string, encoded?: string) => {
      const value = known.get(name) ?? name;
      return encoded ? encodeURIComponent(value) : value;
    });

  it.each(RECORDED)('$name', async ({ request, answer }) => {
    const headers = Object.fromEntries(Object.entries(request.headers ?? {}).map(([name, value]) => [name, filled(value)]));
    const as = request.as && known.get(request.as);
    const got = await call(request.method, filled(request.path), { as, headers, body: request.body && filled(request.body) });
    expect(got.status).toBe(answer.status);
    expect(got.headers['location']).toBe(answer.location);
    if (answer.body === undefined) expect(got.text).toBe('');
    else {
      expect(JSON.stringify(normalised(got.body), null, 1)).toBe(filled(JSON.stringify(answer.body, null, 1)));
      expect(got.headers['content-type']).toBe('application/json; charset=utf-8');
    }
  });
});
