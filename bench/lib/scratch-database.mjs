import { randomBytes } from 'node:crypto';
import pg from 'pg';

export const SERVER = process.env.TEST_DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres';

/** A database of its own on the server at TEST_DATABASE_URL, which is dropped afterwards. */
export async function withScratchDatabase(work) {
  const name = `gatehouse_bench_${randomBytes(4).toString('hex')}`;
  await asOwner(SERVER, (client) => client.query(`CREATE DATABASE ${name}`));
  const url = new URL(SERVER);
  url.pathname = `/${name}`;
  try {
    return await work(url.href);
  } finally {
    await asOwner(SERVER, (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
  }
}

export async function asOwner(url, work) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
