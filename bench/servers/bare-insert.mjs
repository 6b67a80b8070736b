// The least that could create a token: bare Fastify and one INSERT of ten columns into PostgreSQL, with a pool of ten. The secret is
// drawn and hashed; nobody is asked who they are, nothing is checked, nothing is recorded.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import Fastify from 'fastify';
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
await pool.query(`CREATE TABLE bare_tokens (
  id uuid PRIMARY KEY, organization_id uuid NOT NULL, kind text NOT NULL, name text, hash bytea NOT NULL UNIQUE, hint text NOT NULL,
  permissions text[] NOT NULL, created_by uuid NOT NULL, created_at timestamptz NOT NULL, expires_at timestamptz)`);
await pool.query('CREATE INDEX ON bare_tokens (organization_id, created_at)');

const [organizationId, userId] = [randomUUID(), randomUUID()];
const server = Fastify();
server.post('/tokens', async (request, reply) => {
  const [id, secret] = [randomUUID(), `tok_${randomBytes(32).toString('base64url')}`];
  const hash = createHash('sha256').update(secret).digest();
  await pool.query(
    'INSERT INTO bare_tokens (id, organization_id, kind, name, hash, hint, permissions, created_by, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id',
    [id, organizationId, 'user', request.body.name, hash, secret.slice(-4), ['profile:read'], userId, new Date(), null],
  );
  return reply.code(201).send({ id, name: request.body.name, token: secret });
});
console.log(`listens on ${await server.listen({ port: 0 })}`);
