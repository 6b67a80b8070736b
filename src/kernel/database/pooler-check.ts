import { Client } from 'pg';
import { SERVICE_ROLE, SESSION_TIMEOUTS } from './session-settings.js';

/**
 * Throws where the pooler's login does not bring what sessions of the service's own are given: a pooler in transaction
 * mode takes no settings from its clients, and what one of them sets the next one would find.
 */
export async function checkPooler(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000, query_timeout: 5000 });
  await client.connect();
  try {
    const { rows } = await client.query<{ login: string; member: boolean; endless: string[] }>(
      `SELECT current_user AS login, pg_has_role(current_user, $1, 'USAGE') AS member,
              ARRAY(SELECT name FROM pg_settings WHERE name = ANY ($2) AND setting = '0' ORDER BY name) AS endless`,
      [SERVICE_ROLE, Object.keys(SESSION_TIMEOUTS)],
    );
    const [found] = rows;
    if (!found) throw new Error('The pooler of DATABASE_POOLER_URL does not answer.');
    const faults = [...(found.member ? [] : [`is no member of ${SERVICE_ROLE}`]), ...found.endless.map((name) => `has no ${name}`)];
    if (faults.length > 0) throw new Error(`The login "${found.login}" of DATABASE_POOLER_URL ${faults.join(', ')}: docs/scaling.md shows how it is made.`);
  } finally {
    await client.end();
  }
}
