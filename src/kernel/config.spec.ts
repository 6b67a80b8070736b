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
      databaseUrl: null,
      dataDir: './data',
      adminEmail: 'admin@localhost',
      adminPassword: null,
      publicUrl: 'http://127.0.0.1:3000',
      secretKeys: null,
      redisUrl: null,
      trustedProxies: [],
      logLevel: 'info',
    });
  });

  it('lists every fault at once', () => {
    const faults = faultsOf({
      PORT: '70000',
      DATABASE_URL: 'mysql://localhost/x',
      ADMIN_EMAIL: 'nobody',
      ADMIN_PASSWORD: 'short',
      PUBLIC_URL: 'gatehouse.example',
      SECRET_KEY: 'changeme',
      REDIS_URL: 'localhost:6379',
      TRUSTED_PROXIES: '10.0.0.0/8, 10.0.0.0/33, proxy',
      LOG_LEVEL: 'loud',
    });
    expect(faults.map((fault) => fault.split(' ')[0])).toEqual([
      'DATABASE_URL', 'PORT', 'SECRET_KEY', 'ADMIN_EMAIL', 'ADMIN_PASSWORD', 'PUBLIC_URL', 'REDIS_URL', 'TRUSTED_PROXIES', 'TRUSTED_PROXIES', 'LOG_LEVEL',
    ]);
  });

  it('requires SECRET_KEY with DATABASE_URL', () => {
    expect(faultsOf({ DATABASE_URL: 'postgres://localhost/gatehouse' })[0]).toMatch(/^SECRET_KEY is required/);
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
    const text = faultsOf({ DATABASE_URL: 'http://user:hunter2hunter2@db/x', SECRET_KEY: 'hunter2hunter2', ADMIN_PASSWORD: 'hunter2' }).join();
    expect(text).not.toContain('hunter2');
  });

  it('keeps a password as it was typed', () => {
    expect(readConfig({ ADMIN_PASSWORD: ' spaces count here ' }).adminPassword).toBe(' spaces count here ');
  });

  it('is described variable by variable in .env.example, with the same defaults', () => {
    const example = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8');
    const named = [...example.matchAll(/^#?\s?([A-Z_]+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value] as const);
    expect(named.map(([name]) => name).sort()).toEqual(
      ['ADMIN_EMAIL', 'ADMIN_PASSWORD', 'DATABASE_URL', 'DATA_DIR', 'HOST', 'LOG_LEVEL', 'PORT', 'PUBLIC_URL', 'REDIS_URL', 'SECRET_KEY', 'TRUSTED_PROXIES'],
    );
    expect(readConfig(Object.fromEntries(named.filter(([, value]) => value !== '')))).toEqual(readConfig({}));
  });
});
