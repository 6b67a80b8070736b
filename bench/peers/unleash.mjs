// unleash-server as its README starts it, with an administrator's token from its environment; needs Node 22.
import { start } from 'unleash-server';

const { server } = await start({
  databaseUrl: process.env.DATABASE_URL,
  db: { ssl: false, pool: { min: 0, max: 10 } },
  server: { port: 0, host: '127.0.0.1' },
  authentication: { initApiTokens: [{ tokenName: 'bench', secret: process.env.ADMIN_TOKEN, type: 'admin', project: '*', environment: '*', projects: ['*'] }] },
  versionCheck: { enable: false },
  telemetry: false,
  logLevel: 'error',
  resourceLimits: { apiTokens: 1_000_000 },
});
console.log(`listens on http://127.0.0.1:${server.address().port}`);
