import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { openServer } from '../../src/kernel/database/open-database.js';
import { aScratchDatabase, asOwner, TEST_SERVER_URL } from '../support/database.js';
import { anApplication } from '../support/instance.js';

it('runs for a database user who is no superuser but owns the database and may create roles', async () => {
  const server = TEST_SERVER_URL ?? '';
  const scratch = await aScratchDatabase(server);
  const owner = `gatehouse_test_${randomBytes(6).toString('hex')}`;
  await asOwner(server, (client) => client.query(`CREATE ROLE ${owner} LOGIN CREATEROLE PASSWORD 'x'`));
  const url = new URL(scratch.url);
  await asOwner(server, (client) => client.query(`ALTER DATABASE ${url.pathname.slice(1)} OWNER TO ${owner}`));
  url.username = owner;
  url.password = 'x';
  try {
    const app = await anApplication(await openServer(url.href), ['a-key-0123456789-abcdefghijklmnopqrstuvwxyz']);
    expect((await app.inject({ method: 'GET', url: '/health/ready' })).statusCode).toBe(200);
    await app.close();
  } finally {
    await scratch.drop();
    await asOwner(server, (client) => client.query(`REVOKE gatehouse_app FROM ${owner}; DROP ROLE ${owner}`));
  }
});
