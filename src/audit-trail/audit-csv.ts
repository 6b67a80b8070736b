import { stringify } from 'csv-stringify/sync';
import { RECORD_FIELDS } from '../audit/audit-record.js';
import type { LinkedEvent } from '../audit/audit-trail.js';

const COLUMNS = ['sequence', 'hash', 'event_id', ...RECORD_FIELDS.filter((field) => field !== 'id')] as const;

/**
 * Lines of RFC 4180. Spreadsheets take a cell that begins with = + - @, a tab or a carriage return for a formula; such a
 * cell gets an apostrophe before it. Objects are JSON text. Of a link whose event is lost, only the link is there.
 */
export function toCsv(links: readonly LinkedEvent[], { header }: { header: boolean }): string {
  return stringify(links.map(toRow), { header, columns: [...COLUMNS], record_delimiter: '\r\n', quoted: true, escape_formulas: true });
}

function toRow({ sequence, hash, eventId, record }: LinkedEvent): readonly (string | null)[] {
  const row: Readonly<Record<string, unknown>> = { ...record, sequence, hash, event_id: eventId };
  return COLUMNS.map((column) => toCell(row[column]));
}

function toCell(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
