import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { isRetryableOperation } from './idempotency/idempotency.js';

const DESCRIPTION = `Gatehouse issues, verifies and governs API tokens: of users, projects, machine identities, organizations and auth methods.

Log in with \`POST /auth/login\`, put its \`access_token\` into **Authorize**, and mint a token at any of the five doors; then ask \`POST /oauth2/introspect\` about it.`;

/** In the order they are shown: the five doors, then our own. */
const TAGS: readonly (readonly [name: string, description: string])[] = [
  ['Sessions', 'Log in as a person, refresh, log out, see who you are, and choose another password.'],
  ['User API tokens (Fynn)', 'A token of the current user that may do what the user may do at that moment; speaks Fynn.'],
  ['Project API tokens (Unleash)', 'A backend or frontend token of one project in one environment; speaks Unleash.'],
  ['Machine identities (Infisical)', 'Identities of machines, their Token Auth settings and their tokens; speaks Infisical.'],
  ['Organization API tokens (deepset)', 'A personal or service key of the organization; speaks deepset.'],
  ['Auth method tokens (Flipt)', 'A client token of the static token method, limited to a namespace or not; speaks Flipt.'],
  ['Organizations', 'Tenants: the operator creates and stops them, each looks after itself and those within it.'],
  ['Members', 'The people of an organization.'],
  ['Policy', 'What tokens of the organization may be, and what the platform allows all organizations.'],
  ['Roles and permissions', 'What people and machines may do: roles of the organization, and the permissions they are made of.'],
  ['Projects', 'Projects of the organization and their environments.'],
  ['Machine identities', 'Machines that hold tokens, and the role that bounds them.'],
  ['Tokens', 'One inventory over all five kinds: see every token, revoke any.'],
  ['Leaks', 'Report secrets that stand where others can read them.'],
  ['OAuth 2.0', 'Introspection (RFC 7662), revocation (RFC 7009) and the public keys of our JWTs.'],
  ['Audit', 'What happened, who did it and with which credential; exports that can be proven offline.'],
  ['Webhooks', 'Be told of what happens to tokens; signed by the Standard Webhooks scheme, and sent again until it arrives.'],
  ['Pages', 'What links in mails open.'],
  ['Operations', 'Is the process alive, and can it serve?'],
];

const IDEMPOTENCY_PARAMETER = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'Repeat a request safely: within 10 minutes, the same request of the same caller with the same key is answered as it was first, and nothing is done twice.',
  schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[!-~]+$' },
};

/** Serves Swagger UI at /docs and the document at /openapi.json. */
export function serveDocument(app: NestFastifyApplication): void {
  SwaggerModule.setup('docs', app, () => describeApi(app), {
    jsonDocumentUrl: 'openapi.json',
    yamlDocumentUrl: 'openapi.yaml',
    customSiteTitle: 'Gatehouse API',
    swaggerOptions: { persistAuthorization: true, docExpansion: 'list', displayRequestDuration: true, tryItOutEnabled: true, queryConfigEnabled: false },
  });
}

export function describeApi(app: NestFastifyApplication): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setTitle('Gatehouse')
    .setDescription(DESCRIPTION)
    .setVersion('0.1.0')
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'The access_token of a session, from POST /auth/login.' }, 'session')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'The secret of any live API token.' }, 'token');
  for (const [name, description] of TAGS) builder.addTag(name, description);
  return withIdempotencyKey(SwaggerModule.createDocument(app, builder.build(), { operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}_${method}` }));
}

/** Every route that can be repeated safely says so. */
function withIdempotencyKey(document: OpenAPIObject): OpenAPIObject {
  for (const path of Object.values(document.paths)) {
    for (const [method, operation] of Object.entries(path as Record<string, unknown>)) {
      if (!isOperation(operation) || !isRetryableOperation(method, operation)) continue;
      operation.parameters = [...(operation.parameters ?? []), IDEMPOTENCY_PARAMETER];
      operation.responses['422'] ??= { description: 'The Idempotency-Key was used for another request.' };
    }
  }
  return document;
}

function isOperation(value: unknown): value is { parameters?: object[]; responses: Record<string, object> } {
  return typeof value === 'object' && value !== null && 'responses' in value;
}
