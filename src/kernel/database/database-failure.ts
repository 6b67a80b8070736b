import { Conflict, DomainError, InputInvalid, Unavailable } from '../failure.js';

const UNREACHABLE = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'ETIMEDOUT', 'EPIPE', 'EHOSTUNREACH', 'EAI_AGAIN']);
const UNREACHABLE_TEXT = /timeout exceeded when trying to connect|Connection terminated|Query read timeout|Client has encountered a connection error|Client was closed/;

/** Says in the service's own words what a database error means for the caller; null when it is a defect of ours. */
export function toDatabaseFailure(error: unknown): DomainError | null {
  const code = sqlState(error);
  const message = error instanceof Error ? error.message : '';
  if ((code && UNREACHABLE.has(code)) || UNREACHABLE_TEXT.test(message)) return new Unavailable();
  if (!code || !/^[0-9A-Z]{5}$/.test(code)) return null;
  // 08 connection, 53 resources, 55P03 lock timeout, 57 operator intervention, 40 serialisation or deadlock, 25006 read-only.
  if (/^(08|53|57|40)/.test(code) || code === '55P03' || code === '25006') return new Unavailable();
  // 22: data that no column can hold, such as NUL in text.
  if (code.startsWith('22')) return new InputInvalid([{ at: [], rule: 'unstorable', message: 'The request contains text or a number that cannot be stored.' }]);
  // Lost a race: what was looked up a moment ago is gone, or is there by now.
  if (code === '23503') return new Conflict('reference', 'gone', 'What the request refers to was deleted meanwhile.');
  if (code === '23505') return new Conflict('name', 'taken', 'Somebody took this name meanwhile.');
  return null;
}

/** SQLSTATE or socket error code, wherever the driver or TypeORM put it. */
export function sqlState(error: unknown): string | null {
  const own = (error as { code?: unknown } | null)?.code;
  if (typeof own === 'string') return own;
  const cause = (error as { driverError?: { code?: unknown } } | null)?.driverError?.code;
  return typeof cause === 'string' ? cause : null;
}

/** Of any unique constraint, or of the one with this name. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  if (sqlState(error) !== '23505') return false;
  return constraint === undefined || (error as { driverError?: { constraint?: unknown } }).driverError?.constraint === constraint;
}
