// better-auth with its API key plugin on PostgreSQL, as its documentation sets it up, without rate limits and telemetry. It is called
// through its server API, without its own HTTP layer, by a bare Fastify.
import { apiKey } from '@better-auth/api-key';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import Fastify from 'fastify';
import pg from 'pg';

const options = {
  database: new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 20 }),
  secret: process.env.SECRET,
  baseURL: 'http://127.0.0.1',
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { disabled: true },
  plugins: [apiKey({ rateLimit: { enabled: false } })],
};
await (await getMigrations(options)).runMigrations();
const auth = betterAuth(options);
const { user } = await auth.api.signUpEmail({ body: { name: 'Bench', email: 'bench@example.com', password: 'a long enough password' } });

const server = Fastify();
server.post('/create', async (request, reply) => reply.code(201).send(await auth.api.createApiKey({ body: { name: request.body.name, userId: user.id } })));
server.post('/verify', async (request) => auth.api.verifyApiKey({ body: { key: request.body.key } }));
console.log(`listens on ${await server.listen({ port: 0 })}`);
