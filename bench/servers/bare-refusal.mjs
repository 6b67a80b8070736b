// The least that could refuse a credential: Node's own HTTP, which answers 401 whatever is asked, in as many bytes as Gatehouse.
import { createServer } from 'node:http';

const MESSAGE = 'The credential is not valid: it is unknown, has expired or was revoked.';
const body = Buffer.from(JSON.stringify({ error: 'invalid_token', error_description: MESSAGE, type: 'urn:gatehouse:error:credentials-invalid', title: 'Unauthorized', status: 401, code: 'credentials-invalid', detail: MESSAGE, request_id: 'req-00000000000000' }));
const headers = {
  'x-request-id': 'req-00000000000000',
  'cache-control': 'no-store',
  'content-type': 'application/problem+json; charset=utf-8',
  'www-authenticate': 'Bearer realm="gatehouse", error="invalid_token"',
  'content-length': body.length,
};

const server = createServer((_, response) => response.writeHead(401, headers).end(body));
server.listen(0, () => console.log(`listens on http://127.0.0.1:${server.address().port}`));
