import { randomUUID } from 'node:crypto';
import { KeyRing } from '../../dist/kernel/key-ring.js';
import { drawSecret, hintOf, SecretHasher } from '../../dist/tokens/token-secret.js';
import { showProgress } from './progress.mjs';
import { asOwner } from './scratch-database.mjs';

const BATCH = 20_000;
const PREFIX = 'api_';

/**
 * Writes tokens of one person straight into the database, of which every one works, until there are so many; nobody could wait for a
 * million creations. Answers with the secrets of some of them, spread over all.
 */
export async function fill(databaseUrl, { secretKey, organizationId, userId, count, keep }) {
  const hasher = new SecretHasher(new KeyRing([secretKey]));
  const secrets = [];
  await asOwner(databaseUrl, async (client) => {
    // Neither triggers nor foreign keys: what is written here is nobody's change.
    await client.query('SET session_replication_role = replica');
    const [{ present }] = (await client.query('SELECT count(*)::int AS present FROM api_tokens')).rows;
    for (let written = present; written < count; written += BATCH) {
      const drawn = Array.from({ length: Math.min(BATCH, count - written) }, () => drawSecret(PREFIX));
      const hashes = drawn.map((secret) => hasher.hash(secret));
      await client.query(
        `WITH drawn AS (SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::text[]) AS d (id, hash, hint)),
              tokens AS (
           INSERT INTO api_tokens (organization_id, id, kind, name, user_id, all_projects, hint, created_at, created_by, updated_at)
           SELECT $4, id, 'user', 'token ' || id, $5, true, hint, now() - random() * interval '300 days', $5, now() FROM drawn)
         INSERT INTO token_secrets (secret_hash, pepper_id, organization_id, token_id, created_at, hint)
         SELECT hash, $6, $4, id, now(), hint FROM drawn`,
        [drawn.map(() => randomUUID()), hashes.map(({ hash }) => hash), drawn.map((secret) => hintOf(secret, PREFIX)), organizationId, userId, hashes[0].pepperId],
      );
      secrets.push(...drawn.filter((_, index) => index % Math.ceil(count / keep) === 0));
      showProgress(`${Math.min(written + BATCH, count).toLocaleString('en')} of ${count.toLocaleString('en')} tokens`);
    }
    showProgress(null);
    await client.query('VACUUM ANALYZE');
    await client.query('CHECKPOINT');
  });
  return secrets;
}
