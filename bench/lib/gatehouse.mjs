import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { showProgress } from './progress.mjs';
import { startServer } from './server.mjs';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const ADMIN = { email: 'admin@localhost', password: 'bench administrator of gatehouse' };

/** The compiled service, as `npm start` runs it: one process. Nodes that share a database share a secret key. */
export function startGatehouse(databaseUrl, { name = 'Gatehouse', secretKey = randomBytes(32).toString('base64'), env = {}, nodeArguments = [] } = {}) {
  return startServer(name, {
    args: [...nodeArguments, MAIN],
    env: { ...(databaseUrl && { DATABASE_URL: databaseUrl }), SECRET_KEY: secretKey, PORT: '0', ADMIN_PASSWORD: ADMIN.password, CREATIONS_PER_MINUTE: '1000000', ...env },
  });
}

/** A client of one node, with the administrator's session. */
export async function administratorOf(server) {
  const { access_token: session, organization } = await ask(server, 'POST', '/auth/login', { json: ADMIN });
  return { session, organization, call: (method, path, options = {}) => ask(server, method, path, { ...options, token: session }) };
}

export async function ask(server, method, path, { token, json, form } = {}) {
  const response = await fetch(server.url + path, {
    method,
    headers: { ...(token && { authorization: `Bearer ${token}` }), ...(json && { 'content-type': 'application/json' }) },
    body: json ? JSON.stringify(json) : form ? new URLSearchParams(form) : undefined,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
  return text === '' ? null : JSON.parse(text);
}

/** Works through a list, so many at a time, and shows how far it is. */
export async function inParallel(title, items, work, width = 32) {
  const results = new Array(items.length);
  let [next, done] = [0, 0];
  const step = Math.max(1, Math.floor(items.length / 10));
  await Promise.all(
    Array.from({ length: Math.min(width, items.length) }, async () => {
      while (next < items.length) {
        const index = next++;
        results[index] = await work(items[index], index);
        done += 1;
        if (done % step === 0) showProgress(`${title}: ${done} of ${items.length}`);
      }
    }),
  );
  showProgress(null);
  return results;
}

/**
 * The five doors: how each is asked for one more token, each request with a name of its own, and where its answer holds the secret.
 * What a token needs first is created here.
 */
export async function doorsOf(admin) {
  const post = (path, json) => admin.call('POST', path, { json });
  const { identity } = await post('/api/v1/identities', { name: 'bench machine', organizationId: admin.organization.id, role: 'member' });
  await post(`/api/v1/auth/token-auth/identities/${identity.id}`, { accessTokenTTL: 2_592_000, accessTokenMaxTTL: 2_592_000 });
  const name = '@'.repeat(10);
  return {
    fynn: { path: '/user/api-tokens', json: { description: `token ${name}` }, secretOf: (body) => body.token },
    unleash: { path: '/api/admin/projects/default/api-tokens', json: { tokenName: `token-${name}`, type: 'backend', environment: 'development' }, secretOf: (body) => body.secret },
    infisical: { path: `/api/v1/auth/token-auth/identities/${identity.id}/tokens`, json: { name: `token ${name}` }, secretOf: (body) => body.accessToken },
    deepset: { path: '/api/v1/token', json: { name: `token ${name}`, personal: false }, secretOf: (body) => body.api_token },
    flipt: { path: '/auth/v1/method/token', json: { name: `token ${name}` }, secretOf: (body) => body.clientToken },
  };
}

/** So many new tokens of one door; their secrets. */
export function mint(admin, door, count, title = 'minting') {
  return inParallel(title, Array.from({ length: count }), async (_, index) => {
    const json = JSON.parse(JSON.stringify(door.json).replace('@'.repeat(10), `mint${String(index).padStart(6, '0')}`));
    return door.secretOf(await admin.call('POST', door.path, { json }));
  });
}
