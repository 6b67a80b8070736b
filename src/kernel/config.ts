import { BlockList, isIP } from 'node:net';
import type { MailSettings } from './mail/mailer.js';

export interface Config {
  readonly port: number;
  readonly host: string;
  /** How many processes serve on this machine. */
  readonly workers: number;
  /** Null runs the embedded database in `dataDir`. */
  readonly databaseUrl: string | null;
  /** The same database through a pooler in transaction mode, for all that is not bound to a session; null means: no pooler. */
  readonly databasePoolerUrl: string | null;
  /** Read replicas; none where empty. */
  readonly databaseReplicaUrls: readonly string[];
  readonly dataDir: string;
  readonly adminEmail: string;
  /** Null means: draw one on an empty database and print it once. */
  readonly adminPassword: string | null;
  /** Issuer of tokens and base of links; never ends in a slash. */
  readonly publicUrl: string;
  /** Current first, then retired ones; null means: keep a generated one in `dataDir`. */
  readonly secretKeys: readonly string[] | null;
  readonly redisUrl: string | null;
  /** Null: no mail is sent. */
  readonly mail: MailSettings | null;
  readonly trustedProxies: readonly string[];
  /** Addresses and CIDR ranges that webhooks may reach though they are not public, and without encryption. */
  readonly webhookAllowedAddresses: readonly string[];
  /** How long tokens stay listed after they were revoked or have expired. */
  readonly tokenRetentionDays: number;
  /** How much one organization may create in any minute. */
  readonly creationsPerMinute: number;
  readonly logLevel: LogLevel;
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const SENDER = /^(?:[^<>"@\p{Cc}]+ <[^\s@<>,;:"]+@[^\s@<>,;:"]+>|[^\s@<>,;:"]+@[^\s@<>,;:"]+)$/u;
export const TOKEN_RETENTION_DAYS = 90;
export const CREATIONS_PER_MINUTE = 60_000;

const PLACEHOLDER = /^(change[-_ ]?me|secret|password|example|placeholder|your[-_ ]|<)/i;

/** All that is wrong with the environment, so that an operator mends it in one go. */
export class ConfigInvalid extends Error {
  constructor(readonly faults: readonly string[]) {
    super(`The configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
    this.name = 'ConfigInvalid';
  }
}

/** Reads the start-up contract once; throws `ConfigInvalid` that lists every fault. */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const faults: string[] = [];
  const text = (name: string): string | null => environment[name]?.trim() || null;
  const checked = <T>(name: string, fallback: T, read: (value: string) => T | string[]): T => {
    const value = text(name);
    if (value === null) return fallback;
    const result = read(value);
    if (!Array.isArray(result)) return result;
    faults.push(...result.map((fault) => `${name} ${fault}`));
    return fallback;
  };

  const addressRanges = (name: string): readonly string[] =>
    checked<{ list: readonly string[] }>(name, { list: [] }, (value) => {
      const list = value.split(',').map((entry) => entry.trim());
      const wrong = list.filter((entry) => !isAddressRange(entry));
      return wrong.length > 0 ? wrong.map((entry) => `has "${entry}", which is not an IP address or CIDR range`) : { list };
    }).list;

  const postgresUrl = (name: string): string | null =>
    checked<string | null>(name, null, (value) => (hasProtocol(value, ['postgres:', 'postgresql:']) ? value : ['must be a postgres:// URL']));

  const databaseUrl = postgresUrl('DATABASE_URL');
  const databasePoolerUrl = postgresUrl('DATABASE_POOLER_URL');
  const databaseReplicaUrls = checked<{ list: readonly string[] }>('DATABASE_REPLICA_URLS', { list: [] }, (value) => {
    const list = value.split(',').map((url) => url.trim());
    return list.every((url) => hasProtocol(url, ['postgres:', 'postgresql:'])) ? { list } : ['must be postgres:// URLs, separated by commas'];
  }).list;
  const workers = checked('WORKERS', 1, (value) => (/^[1-9]\d{0,2}$/.test(value) ? Number(value) : ['must be a number from 1 to 999']));
  for (const [name, isSet] of [['DATABASE_POOLER_URL', text('DATABASE_POOLER_URL') !== null], ['DATABASE_REPLICA_URLS', text('DATABASE_REPLICA_URLS') !== null], ['WORKERS', workers > 1]] as const) {
    if (isSet && text('DATABASE_URL') === null) faults.push(`${name} needs DATABASE_URL: the embedded database is in this process alone`);
  }
  const host = text('HOST') ?? '127.0.0.1';
  const port = checked('PORT', 3000, (value) =>
    /^\d{1,5}$/.test(value) && Number(value) <= 65_535 ? Number(value) : ['must be a port number from 0 to 65535']);
  const keys = checked<{ list: readonly string[] } | null>('SECRET_KEY', null, (value) => {
    const list = value.split(',').map((key) => key.trim());
    const wrong = list.flatMap((key, index) => weaknesses(key).map((fault) => `${list.length > 1 ? `entry ${index + 1} ` : ''}${fault}`));
    return wrong.length > 0 ? wrong : { list };
  });
  if (text('DATABASE_URL') !== null && text('SECRET_KEY') === null) {
    faults.push('SECRET_KEY is required with DATABASE_URL: 32 or more random characters, for instance from `openssl rand -base64 48`');
  }
  const publicUrl = checked('PUBLIC_URL', httpUrl(host, port), (value) =>
    hasProtocol(value, ['http:', 'https:']) && !/[?#]/.test(value) ? value.replace(/\/+$/, '') : ['must be an http:// or https:// URL without query']);
  const smtpUrl = checked<string | null>('SMTP_URL', null, (value) =>
    hasProtocol(value, ['smtp:', 'smtps:']) && new URL(value).hostname !== '' ? value : ['must be a URL like smtp://user:password@host:587, or smtps:// for TLS from the start']);
  const mailFrom = checked('MAIL_FROM', senderAt(publicUrl), (value) => (SENDER.test(value) ? value : ['must be an e-mail address, or a name and an address like Gatehouse <tokens@example.com>']));
  const config: Config = {
    port,
    host,
    workers,
    databaseUrl,
    databasePoolerUrl,
    databaseReplicaUrls,
    dataDir: text('DATA_DIR') ?? './data',
    adminEmail: checked('ADMIN_EMAIL', 'admin@localhost', (value) => (/^[^\s@]+@[^\s@]+$/.test(value) ? value : ['must be an e-mail address'])),
    // Not trimmed: a password is what was typed. Whether it is good is judged where it is used, at the first start.
    adminPassword: environment['ADMIN_PASSWORD'] || null,
    publicUrl,
    secretKeys: keys?.list ?? null,
    redisUrl: checked<string | null>('REDIS_URL', null, (value) =>
      hasProtocol(value, ['redis:', 'rediss:']) ? value : ['must be a redis:// URL']),
    mail: smtpUrl === null ? null : { url: smtpUrl, from: mailFrom },
    trustedProxies: addressRanges('TRUSTED_PROXIES'),
    webhookAllowedAddresses: addressRanges('WEBHOOK_ALLOWED_ADDRESSES'),
    tokenRetentionDays: checked('TOKEN_RETENTION_DAYS', TOKEN_RETENTION_DAYS, (value) =>
      /^[1-9]\d{0,3}$/.test(value) ? Number(value) : ['must be a number of days from 1 to 9999']),
    creationsPerMinute: checked('CREATIONS_PER_MINUTE', CREATIONS_PER_MINUTE, (value) =>
      /^[1-9]\d{0,6}$/.test(value) ? Number(value) : ['must be a whole number from 1 to 9999999']),
    logLevel: checked<LogLevel>('LOG_LEVEL', 'info', (value) =>
      LOG_LEVELS.find((level) => level === value) ?? [`must be one of ${LOG_LEVELS.join(', ')}`]),
  };
  if (faults.length > 0) throw new ConfigInvalid(faults);
  return Object.freeze(config);
}

export function httpUrl(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function hasProtocol(value: string, protocols: readonly string[]): boolean {
  return URL.canParse(value) && protocols.includes(new URL(value).protocol);
}

/** An address has a name behind the @, not a number. */
function senderAt(publicUrl: string): string {
  const hostname = URL.canParse(publicUrl) ? new URL(publicUrl).hostname : '';
  return `gatehouse@${hostname === '' || isIP(hostname.replace(/[[\]]/g, '')) > 0 ? 'localhost' : hostname}`;
}

function weaknesses(key: string): string[] {
  if (PLACEHOLDER.test(key)) return ['is a placeholder, not a secret'];
  if (key.length < 32) return ['must have 32 or more characters'];
  return new Set(key).size < 8 ? ['repeats too few characters to be random'] : [];
}

function isAddressRange(entry: string): boolean {
  const [address = '', prefix, ...rest] = entry.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  if (prefix === undefined) return true;
  if (!/^\d{1,3}$/.test(prefix)) return false;
  try {
    new BlockList().addSubnet(address, Number(prefix), family === 4 ? 'ipv4' : 'ipv6');
    return true;
  } catch {
    return false;
  }
}
