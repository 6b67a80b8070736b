import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The development secret kept in the data directory, drawn on first use and readable by its owner alone. */
export async function readOrDrawSecret(dataDirectory: string): Promise<string> {
  const path = join(dataDirectory, 'secret-key');
  await mkdir(dataDirectory, { recursive: true });
  try {
    await writeFile(path, `${randomBytes(48).toString('base64')}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const secret = (await readFile(path, 'utf8')).trim();
  if (secret.length < 32) throw new Error(`${path} holds no usable secret. Restore it from a backup: tokens made with it cannot be verified without it.`);
  return secret;
}
