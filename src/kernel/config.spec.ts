import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ConfigInvalid, readConfig } from './config.js';

function faultsOf(environment: Record<string, string>): readonly string[] {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof ConfigInvalid) return error.faults;
    throw error;
  }
  return [];
}

describe('readConfig', () => {
  it('needs nothing: without variables it is the embedded database on loopback', () => {
    expect(readConfig({})).toEqual({
      port: 3000,
      host: '127.0.0.1',
      workers: 1,
      databaseUrl: null,
      databasePoolerUrl: null,
      databaseReplicaUrls: [],
      dataDir: './data',
      adminEmail: 'admin@localhost',
      adminPassword: null,
      publicUrl: 'http://127.0.0.1:3000',
      secretKeys: null,
      redisUrl: null,
      mail: null,
      trustedProxies: [],
      webhookAllowedAddresses: [],
      tokenRetentionDays: 90,
      creationsPerMinute: 60_000,
      logLevel: 'info',
    });
  });

  it('lists every fault at once', () => {
    const faults = faultsOf({
      PORT: '70000',
      DATABASE_URL: 'mysql://localhost/x',
      ADMIN_EMAIL: 'nobody',
      PUBLIC_URL: 'gatehouse.example',
      SECRET_KEY: 'changeme',
      REDIS_URL: 'localhost:6379',
      SMTP_URL: 'mail.example',
      MAIL_FROM: 'Gatehouse',
      TRUSTED_PROXIES: '10.0.0.0/8, 10.0.0.0/33, proxy',
      WEBHOOK_ALLOWED_ADDRESSES: 'localhost',
      TOKEN_RETENTION_DAYS: '0',
      CREATIONS_PER_MINUTE: '0',
      LOG_LEVEL: 'loud',
    });
    expect(faults.map((fault) => fault.split(' ')[0])).toEqual([
      'DATABASE_URL', 'PORT', 'SECRET_KEY', 'PUBLIC_URL', 'SMTP_URL', 'MAIL_FROM', 'ADMIN_EMAIL', 'REDIS_URL', 'TRUSTED_PROXIES', 'TRUSTED_PROXIES', 'WEBHOOK_ALLOWED_ADDRESSES', 'TOKEN_RETENTION_DAYS', 'CREATIONS_PER_MINUTE', 'LOG_LEVEL',
    ]);
  });

  it('requires SECRET_KEY with DATABASE_URL', () => {
    expect(faultsOf({ DATABASE_URL: 'postgres://localhost/gatehouse' })[0]).toMatch(/^SECRET_KEY is required/);
  });

  it('refuses several workers without DATABASE_URL, and a number of them that makes no sense', () => {
    expect(faultsOf({ WORKERS: '2' })).toEqual(['WORKERS needs DATABASE_URL: the embedded database is in this process alone']);
    expect(readConfig({ WORKERS: '1' }).workers).toBe(1);
    for (const WORKERS of ['0', '-1', '1.5', 'many', '1000']) expect(faultsOf({ WORKERS })).toEqual(['WORKERS must be a number from 1 to 999']);
  });

  it('reads a list of replicas', () => {
    const urls = ['postgres://one/gatehouse', 'postgres://two/gatehouse'];
    const read = readConfig({ DATABASE_URL: 'postgres://primary/gatehouse', SECRET_KEY: 'a-key-0123456789-abcdefghijklmnopqrstuvwxyz', DATABASE_REPLICA_URLS: urls.join(', ') });
    expect(read.databaseReplicaUrls).toEqual(urls);
  });

  it.each([['DATABASE_POOLER_URL', 'must be a postgres:// URL'], ['DATABASE_REPLICA_URLS', 'must be postgres:// URLs, separated by commas']])('refuses %s without DATABASE_URL, and what is no address', (name, fault) => {
    expect(faultsOf({ [name]: 'postgres://localhost/gatehouse' })).toEqual([`${name} needs DATABASE_URL: the embedded database is in this process alone`]);
    expect(faultsOf({ [name]: 'localhost', DATABASE_URL: 'postgres://localhost/gatehouse', SECRET_KEY: 'a-key-0123456789-abcdefghijklmnopqrstuvwxyz' })).toEqual([`${name} ${fault}`]);
  });

  it.each(['changeme-changeme-changeme-changeme', 'short', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', ''.padEnd(31, 'abcdefgh12'), '<put a key of thirty-two characters here>'])(
    'refuses %j as SECRET_KEY',
    (key) => {
      expect(faultsOf({ SECRET_KEY: key })).toHaveLength(1);
    },
  );

  it('reads a list of keys, the current one first', () => {
    const [current, retired] = ['0123456789abcdefghijklmnopqrstuvwxyz', 'zyxwvutsrqponmlkjihgfedcba9876543210'];
    expect(readConfig({ SECRET_KEY: `${current}, ${retired}` }).secretKeys).toEqual([current, retired]);
  });

  it('never repeats a secret in a fault', () => {
    const text = faultsOf({ DATABASE_URL: 'http://user:hunter2hunter2@db/x', SECRET_KEY: 'hunter2hunter2', ADMIN_PASSWORD: 'hunter2', SMTP_URL: 'http://user:hunter2@mail' }).join();
    expect(text).not.toContain('hunter2');
  });

  it('takes a mail server, and an address to send from that it makes up from where the service is known', () => {
    const SMTP_URL = 'smtps://user:pass@mail.example:465';
    expect(readConfig({ SMTP_URL }).mail).toEqual({ url: SMTP_URL, from: 'gatehouse@localhost' });
    expect(readConfig({ SMTP_URL, PUBLIC_URL: 'https://tokens.example/base' }).mail?.from).toBe('gatehouse@tokens.example');
    for (const MAIL_FROM of ['no-reply@example.com', 'Gatehouse of Acme <no-reply@example.com>']) expect(readConfig({ SMTP_URL, MAIL_FROM }).mail?.from).toBe(MAIL_FROM);
    expect(readConfig({ MAIL_FROM: 'no-reply@example.com' }).mail).toBeNull();
  });

  it.each([['SMTP_URL', 'http://mail.example'], ['SMTP_URL', 'smtp://'], ['MAIL_FROM', 'a@b, c@d'], ['MAIL_FROM', 'Evil\nBcc: x@y <a@b>'], ['MAIL_FROM', '<a@b>']])('refuses as %s %j', (name, value) => {
    expect(faultsOf({ [name]: value })).toEqual([expect.stringMatching(/^(SMTP_URL must be a URL|MAIL_FROM must be an e-mail address)/)]);
  });

  it('keeps a password as it was typed', () => {
    expect(readConfig({ ADMIN_PASSWORD: ' spaces count here ' }).adminPassword).toBe(' spaces count here ');
  });

  it('is described variable by variable in .env.example, with the same defaults', () => {
    const example = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8');
    const named = [...example.matchAll(/^#?\s?([A-Z_]+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value] as const);
    expect(named.map(([name]) => name).sort()).toEqual(
      ['ADMIN_EMAIL', 'ADMIN_PASSWORD', 'CREATIONS_PER_MINUTE', 'DATABASE_POOLER_URL', 'DATABASE_REPLICA_URLS', 'DATABASE_URL', 'DATA_DIR', 'HOST', 'LOG_LEVEL', 'MAIL_FROM', 'PORT', 'PUBLIC_URL', 'REDIS_URL', 'SECRET_KEY', 'SMTP_URL', 'TOKEN_RETENTION_DAYS', 'TRUSTED_PROXIES', 'WEBHOOK_ALLOWED_ADDRESSES', 'WORKERS'],
    );
    expect(readConfig(Object.fromEntries(named.filter(([, value]) => value !== '')))).toEqual(readConfig({}));
  });
});
