// The least that could answer an introspection: bare Fastify, HMAC-SHA-256 of the token, a Map, the same bytes. No caller is
// judged, nothing is counted, no use is recorded.
import { createHmac, createSecretKey, randomBytes } from 'node:crypto';
import Fastify from 'fastify';

const key = createSecretKey(randomBytes(32));
const hashOf = (token) => createHmac('sha256', key).update(token).digest('base64');

process.once('message', async (answers) => {
  const known = new Map(answers.map(([token, answer]) => [hashOf(token), answer]));
  const server = Fastify();
  server.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_, body, done) => done(null, body));
  server.post('/oauth2/introspect', (request, reply) => {
    const token = new URLSearchParams(request.body).get('token');
    reply.header('content-type', 'application/json; charset=utf-8').send(known.get(hashOf(token)) ?? '{"active":false}');
  });
  console.log(`listens on ${await server.listen({ port: 0 })}`);
});
process.send('ready');
