/*
 * What the isolation matrix must know of an operation to call it validly with an organization's own things.
 *
 * A NEW OPERATION mostly needs nothing: ids in its path, query and body are found by walking the OpenAPI document, their
 * kind is told by their name (`RULES` below), required names are drawn afresh, everything else is taken from the
 * examples. Where that does not make a request that somebody gets a 2xx for, the matrix fails and says so; then
 *   - an id whose kind is guessed wrongly: add a line to `RULES`, or `kinds` to the operation's recipe;
 *   - a body, query, path or header of its own: add a recipe to `RECIPES`. It is given the twin (`things`, `tenant`,
 *     `people`) and `fresh()`, a name nobody has used;
 *   - something new that ids point to: give the twins two of it in `twins.ts`, and a `Kind`.
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { nameOf, type Operation, type Place } from './operations.js';
import type { Kind, Twin } from './twins.js';

interface Own {
  readonly twin: Twin;
  readonly fresh: () => string;
}

export interface Recipe {
  readonly path?: (own: Own) => Record<string, string>;
  readonly query?: (own: Own) => Record<string, string>;
  readonly header?: (own: Own) => Record<string, string>;
  readonly body?: (own: Own) => unknown;
  /** What stands where, against `RULES`. */
  readonly kinds?: Readonly<Record<string, Kind>>;
  /** One's own in a place, where the twin's first thing of the kind would not do. */
  readonly own?: Readonly<Record<string, (own: Own) => string>>;
  /** Put into the body beside what stands in a place, without which that would not be looked at. */
  readonly beside?: Readonly<Record<string, object>>;
  /** Places that take part in no attack on all at once, because they would contradict others. */
  readonly exclusive?: readonly string[];
  /** Places where only certain words, or what was signed, can stand, though the document does not say so. */
  readonly words?: readonly string[];
  /** Places where what stands there proves by itself who is calling: another tenant's secret makes its holder that tenant. */
  readonly proves?: readonly string[];
  /** The same of all places together, though not of one alone. */
  readonly proveTogether?: true;
  /** Why a request of a stranger is rightly recorded in the other tenant, and in which tables. */
  readonly recordedThere?: { readonly why: string; readonly tables: readonly string[] };
  /** Why the operator is rightly told of every organization here; it is where a `platform:` permission is asked for. */
  readonly operatorMay?: string;
  /** A GET that writes something. */
  readonly changes?: true;
}

/** Things of the operator, for the whole installation; `world.ts` makes them. */
export const OPERATORS = { permission: 'matrix:read', signingKey: '' };

/** Signs in the place of GitHub; `world.ts` has the service know the key. */
export const GITHUB = { id: 'matrix', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) };

const alertOf = (token = ''): object[] => [{ token, type: 'gatehouse', url: 'https://example.test/found' }];
const signed = (body: object): Record<string, string> => ({
  'github-public-key-identifier': GITHUB.id,
  'github-public-key-signature': sign('sha256', Buffer.from(JSON.stringify(body)), GITHUB.privateKey).toString('base64'),
});

/** Of a new key of a client, as a JWK. */
export const aPublicKey = (): object => ({ ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }), alg: 'ES256' });

const RECORD = ['audit_events', 'unsealed_audit_events'];
const GUESSED_CLIENT = { why: 'whoever guesses at a client is counted and recorded where the client belongs', tables: [...RECORD, 'client_lockouts'] };

export const RECIPES: Readonly<Record<string, Recipe>> = {
  'POST /auth/login': {
    body: ({ twin: { things } }) => ({ email: things.email[0], password: things.password[0] }),
    recordedThere: { why: 'a login that fails is recorded where the person belongs, whoever tried it', tables: RECORD },
  },
  'POST /auth/refresh': { proves: ['body.refresh_token'] },
  'POST /edge/validate': { proves: ['body.tokens[]'] },
  'POST /v1/invitations/accept': { proves: ['body.token'] },
  'POST /oauth2/introspect': { operatorMay: 'platform:token:introspect is the right to ask about any token' },
  'POST /api/v1/auth/token/renew': { proves: ['body.accessToken'] },
  'POST /api/v1/auth/token/revoke': { proves: ['body.accessToken'] },
  'POST /api/v1/auth/universal-auth/login': { proveTogether: true, recordedThere: GUESSED_CLIENT },
  'POST /oauth2/token': {
    body: ({ twin: { things } }) => ({ grant_type: 'client_credentials', client_id: things['client-id'][0], client_secret: things['client-secret'][0] }),
    kinds: { 'body.scope': 'permission', 'body.audience': 'address', 'body.resource': 'address', 'body.client_assertion_type': 'address', 'body.subject_token_type': 'address', 'body.requested_token_type': 'address' },
    proves: ['body.client_assertion', 'body.subject_token', 'body.actor_token'],
    proveTogether: true,
    recordedThere: GUESSED_CLIENT,
  },
  'POST /auth/password': { body: ({ twin: { things }, fresh }) => ({ current_password: things.password[0], new_password: `${fresh()} battery staple` }) },
  // Whoever holds a reset is let in by it.
  'POST /auth/password/reset': { body: ({ twin: { things }, fresh }) => ({ token: things['reset-token'][0], password: `${fresh()} battery staple` }), proves: ['body.token'] },
  'POST /v1/introspect/batch': {
    // One's own beside the other's: an answer for each, and none for all.
    body: ({ twin: { things } }) => ({ tokens: [things['token-secret'][0], things['token-secret'][1]] }),
    operatorMay: 'platform:token:introspect is the right to ask about any token',
  },
  'POST /v1/tokens/{id}/restore': { path: ({ twin: { things } }) => ({ id: things['user-token'][2] ?? '' }) },
  'POST /v1/machine-identities/{id}/client-keys': { body: ({ fresh }) => ({ name: fresh(), jwk: aPublicKey() }) },
  'POST /v1/tokens/import': {
    body: ({ twin: { things }, fresh }) => ({ tokens: [{ secret: `${fresh()}-drawn-elsewhere`, kind: 'user', owner_id: things.user[0], permissions: ['profile:read'], projects: [things.project[0]] }] }),
    own: { 'body.tokens[].secret': ({ fresh }) => `${fresh()}-drawn-elsewhere` },
    kinds: { 'body.tokens[].secret': 'token-secret' },
  },
  // Whoever has found a secret shows it, to have it ended wherever it belongs.
  'POST /v1/tokens/report-leak': { proves: ['body.tokens[].token'] },
  'POST /v1/secret-scanning/github': {
    body: ({ twin: { things } }) => alertOf(things['token-secret'][0]),
    header: ({ twin: { things } }) => signed(alertOf(things['token-secret'][0])),
    proves: ['body[].token'],
    words: ['header.Github-Public-Key-Signature', 'header.Github-Public-Key-Identifier', 'body[].type', 'body[].url', 'body[].source'],
  },
  'DELETE /v1/signing-keys/{id}': { path: () => ({ id: OPERATORS.signingKey }) },
  'POST /v1/webhooks': { body: ({ fresh }) => ({ url: `https://hooks.example.com/${fresh()}`, events: ['token.revoked'] }) },
  'POST /v1/invitations': {
    body: ({ fresh }) => ({ email: `${fresh()}@example.test`, role: 'MEMBER' }),
    own: { 'body.email': ({ fresh }) => `${fresh()}@example.test` },
  },
  'POST /v1/organizations': {
    own: { 'body.admin.email': ({ fresh }) => `${fresh()}@example.test` },
    body: ({ fresh }) => ({ slug: fresh(), name: fresh(), admin: { email: `${fresh()}@example.test`, password: 'correct horse battery staple' } }),
  },
  'GET /v1/permissions': { kinds: { 'query.cursor': 'permission-cursor' } },
  'POST /v1/permissions': { body: ({ fresh }) => ({ key: `${fresh()}:read`, description: fresh() }), words: ['body.key'] },
  'POST /v1/projects': { own: { 'body.key': ({ fresh }) => fresh(), 'body.name': ({ fresh }) => fresh() } },
  'POST /api/admin/projects/{projectId}/api-tokens': { words: ['body.type'] },
  'POST /api/admin/api-tokens': { words: ['body.type'] },
  'GET /api/v1/organization/{organization_id}/roles': { exclusive: ['query.before'] },
  'GET /api/v1/token': { exclusive: ['query.before'] },
  'DELETE /v1/permissions/{key}': { path: () => ({ key: OPERATORS.permission }) },
  // Of a machine identity that has none yet.
  'POST /api/v1/auth/token-auth/identities/{identityId}': { kinds: { 'path.identityId': 'bare-identity' } },
  'POST /api/v1/auth/universal-auth/identities/{identityId}': { kinds: { 'path.identityId': 'bare-identity' } },
  'GET /v1/audit-events/export': { changes: true },
};

/** What stands in a place, told by operation and place: the first that fits. */
const RULES: readonly (readonly [RegExp, Kind])[] = [
  [/ \/user\/api-tokens.* path\.id$/, 'user-token'],
  [/ \/v1\/projects.* path\.key$/, 'project'],
  [/ path\.environmentKey$/, 'environment'],
  [/ path\.projectId$/, 'project'],
  [/ \/api\/admin\/.* path\.token$/, 'project-token'],
  [/ \/api\/admin\/api-tokens.* path\.name$/, 'project-token-name'],
  [/ \/api\/admin\/user\/tokens.* path\.id$/, 'token-number'],
  [/ \/v1\/organizations.* path\.id$/, 'organization'],
  [/ \/v1\/organization\/children.* path\.id$/, 'sub-organization'],
  [/ \/v1\/invitations.* path\.id$/, 'invitation'],
  [/ \/v1\/members.* path\.id$/, 'member'],
  [/ \/v1\/roles.* path\.id$/, 'role'],
  [/ \/v1\/sessions.* path\.id$/, 'session'],
  [/ \/v1\/machine-identities.* path\.id$/, 'identity'],
  [/ \/auth\/v1\/tokens.* path\.id$/, 'method-token'],
  [/ \/v1\/tokens.* path\.id$/, 'token'],
  [/ \/v1\/tokens\/.* header\.If-Match$/, 'token-tag'],
  [/ \/v1\/policy header\.If-Match$/, 'policy-tag'],
  [/ \/v1\/sessions query\.user$/, 'user'],
  [/ path\.api_token_id$/, 'organization-token'],
  [/ path\.identityId$/, 'identity'],
  [/ path\.tokenId$/, 'identity-token'],
  [/ path\.clientSecretId$/, 'client-secret-id'],
  [/ \/api\/v1\/token query\.(before|after)$/, 'organization-token'],
  [/ \/api\/v1\/organization.*roles query\.(before|after)$/, 'role'],
  [/ query\.(cursor|pageToken|page_token|before|after)$/, 'cursor'],
  [/\.(orgId|organizationId|organization_id)$/, 'organization'],
  [/ body\.organization$/, 'slug'],
  [/\.organizationSlug$/, 'sub-organization-slug'],
  [/\.role$/, 'role-key'],
  [/\.role_id$/, 'role'],
  [/\.(project|projects\[\]|workspaces\[\]|namespaceKey|namespace_key)$/, 'project'],
  [/\.environment$/, 'environment'],
  [/\.(owner_id|actor_id|user_id|created_by)$/, 'user'],
  [/\.target_id$/, 'token'],
  [/ body\.refresh_token$/, 'refresh-token'],
  [/ body\.(clientId|client_id)$/, 'client-id'],
  [/ body\.(clientSecret|client_secret)$/, 'client-secret'],
  [/ \/v1\/webhooks.* path\.id$/, 'webhook'],
  [/ path\.delivery$/, 'delivery'],
  [/ path\.keyId$/, 'client-key'],
  [/ body\.tokens\[\]\.token$/, 'token-secret'],
  [/ body\.tokens\[\]\.url$/, 'address'],
  [/ \/v1\/webhooks.* body\.url$/, 'address'],
  [/ \/v1\/invitations\/accept body\.token$/, 'invitation-secret'],
  [/ \/auth\/password\/reset body\.token$/, 'reset-token'],
  [/ body\.(accessToken|token|tokens\[\])$/, 'token-secret'],
  [/ \/v1\/roles\/.* header\.If-Match$/, 'role-tag'],
  [/\.(ipAddress|allowed_addresses\[\])$/, 'address'],
  [/\.(permission|(allowed_)?permissions\[\])$/, 'permission'],
  [/\.email$/, 'email'],
  [/ body\.((current_|new_|admin\.)?password)$/, 'password'],
];

export function recipeOf({ name }: Operation): Recipe {
  return RECIPES[name] ?? {};
}

export function kindAt(operation: Operation, place: Place): Kind {
  const where = nameOf(place);
  return recipeOf(operation).kinds?.[where] ?? RULES.find(([pattern]) => pattern.test(`${operation.name} ${where}`))?.[1] ?? 'text';
}
