import { randomBytes } from 'node:crypto';
import { createApplication } from './application.js';
import { openEmbedded } from './kernel/database/open-database.js';
import { FirstStart } from './organizations/first-start.js';

/** A walk through the five doors on an instance that lives in memory and is gone afterwards. */
const EMAIL = 'admin@localhost';
const WIDTH = 100;

interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly as?: string;
  readonly json?: object;
  readonly form?: Readonly<Record<string, string>>;
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

interface Stop {
  readonly title: string;
  /** What the door needs before it mints. */
  prepare?(ask: Ask): Promise<string>;
  readonly path: (prepared: string) => string;
  readonly body: object;
  readonly secret: (body: Record<string, unknown>) => unknown;
}

type Ask = (exchange: Exchange) => Promise<Answer>;

const STOPS: readonly Stop[] = [
  {
    title: 'Fynn: a token of a user',
    path: () => '/user/api-tokens',
    body: { description: 'Nightly report', expiresAt: '2031-01-01T00:00:00+00:00' },
    secret: ({ token }) => token,
  },
  {
    title: 'Unleash: a token of a project',
    path: () => '/api/admin/projects/default/api-tokens',
    body: { tokenName: 'web-shop', type: 'backend', environment: 'production' },
    secret: ({ secret }) => secret,
  },
  {
    title: 'Infisical: a token of a machine identity',
    prepare: async (ask) => {
      const { body } = await ask({ method: 'POST', path: '/api/v1/identities', json: { name: 'ci-runner', organizationId: organizationId(), role: 'member' } });
      const { id } = body['identity'] as { id: string };
      await ask({ method: 'POST', path: `/api/v1/auth/token-auth/identities/${id}`, json: { accessTokenTTL: 3600, accessTokenMaxTTL: 86400 } });
      return id;
    },
    path: (identityId) => `/api/v1/auth/token-auth/identities/${identityId}/tokens`,
    body: { name: 'pipeline' },
    secret: ({ accessToken }) => accessToken,
  },
  {
    title: 'deepset: a key of the organization',
    path: () => '/api/v1/token',
    body: { name: 'search-service', personal: false, organization_role: 'MEMBER' },
    secret: ({ api_token: token }) => token,
  },
  {
    title: 'Flipt: a token of an auth method',
    path: () => '/auth/v1/method/token',
    body: { name: 'edge', description: 'evaluates flags at the edge' },
    secret: ({ clientToken }) => clientToken,
  },
];

let organization = '';
const organizationId = (): string => organization;

async function tour(): Promise<void> {
  say('Starting an instance of its own, in memory …');
  const database = await openEmbedded(null);
  const config = { logLevel: 'error', publicUrl: 'http://gatehouse.localhost', trustedProxies: [] } as const;
  const app = await createApplication({ config, database, secretKeys: [randomBytes(48).toString('base64')] });
  try {
    const password = await app.get(FirstStart).run({ email: EMAIL, password: null });
    await app.listen(0, '127.0.0.1');
    await walk(await app.getUrl(), password ?? '');
  } finally {
    await app.close();
    await database.close();
  }
}

async function walk(url: string, password: string): Promise<void> {
  heading('Log in');
  const login = await ask(url, { method: 'POST', path: '/auth/login', json: { email: EMAIL, password } });
  const session = String(login.body['access_token']);
  organization = (login.body['organization'] as { id: string }).id;
  for (const stop of STOPS) {
    heading(stop.title);
    const asAdmin: Ask = (exchange) => ask(url, { ...exchange, as: session });
    const prepared = (await stop.prepare?.(asAdmin)) ?? '';
    const minted = await asAdmin({ method: 'POST', path: stop.path(prepared), json: stop.body });
    const token = String(stop.secret(minted.body));
    await expectActive(true, await asAdmin({ method: 'POST', path: '/oauth2/introspect', form: { token } }));
    await asAdmin({ method: 'POST', path: '/oauth2/revoke', form: { token } });
    await expectActive(false, await asAdmin({ method: 'POST', path: '/oauth2/introspect', form: { token } }));
  }
  say('\nAll five doors: minted, verified, revoked, refused. The instance is gone now.');
  say('Run your own with `npm start`; its Swagger UI is at /docs.');
}

async function expectActive(active: boolean, { body }: Answer): Promise<void> {
  if (body['active'] !== active) throw new Error(`the token should be ${active ? 'active' : 'inactive'}, and introspection says otherwise`);
}

async function ask(url: string, { method, path, as, json, form }: Exchange): Promise<Answer> {
  say(`\n→ ${method} ${path}`);
  if (json) say(indent(JSON.stringify(json)));
  if (form) say(indent(new URLSearchParams(form).toString()));
  const response = await fetch(url + path, {
    method,
    headers: { ...(as && { authorization: `Bearer ${as}` }), ...(json && { 'content-type': 'application/json' }) },
    body: json ? JSON.stringify(json) : form && new URLSearchParams(form),
  });
  const text = await response.text();
  say(`← ${response.status} ${response.statusText}`);
  if (text) say(indent(text));
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}`);
  return { status: response.status, body: JSON.parse(text || '{}') as Record<string, unknown> };
}

function heading(title: string): void {
  say(`\n${'─'.repeat(3)} ${title} ${'─'.repeat(Math.max(3, WIDTH - title.length - 5))}`);
}

function indent(text: string): string {
  const lines = text.match(new RegExp(`.{1,${WIDTH - 4}}`, 'g')) ?? [];
  return lines.map((line) => `    ${line}`).join('\n');
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

tour().catch((error: unknown) => {
  process.stderr.write(`The tour stopped: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
