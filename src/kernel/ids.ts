import { randomUUID } from 'node:crypto';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function newId(): string {
  return randomUUID();
}

/** True for text that PostgreSQL can hold in a `uuid` column; everything else names nothing that exists. */
export function isUuid(text: unknown): text is string {
  return typeof text === 'string' && UUID.test(text);
}
