import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verifyCommand } from '../../src/audit-trail/verify-command.js';
import type { CheckpointLine, EndLine, EventLine, ExportLine, HeaderLine } from '../../src/audit/export-lines.js';
import { call } from './call.js';

export interface Verdict {
  readonly status: 0 | 1 | 2;
  readonly said: string;
}

/** What `npm run audit:verify` says of these files; the first is the export, text in the arguments names the others. */
export async function verify(files: Readonly<Record<string, string>>, ...words: string[]): Promise<Verdict> {
  const folder = await mkdtemp(join(tmpdir(), 'audit-'));
  try {
    const paths: Record<string, string> = {};
    for (const [name, text] of Object.entries(files)) {
      paths[name] = join(folder, name);
      await writeFile(paths[name], text);
    }
    let said = '';
    const say = (text: string): void => void (said += text);
    const [first = ''] = Object.values(paths);
    const status = await verifyCommand([first, ...words.map((word) => paths[word] ?? word)], say, say);
    return { status, said: said.replaceAll(folder, '') };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The organization's whole record, as the service exports it. */
export async function exported(as: string): Promise<string> {
  const { status, text } = await call('GET', '/v1/audit-events/export', { as });
  if (status !== 200) throw new Error(`the export answered ${status}: ${text}`);
  return text;
}

export const linesOf = (text: string): ExportLine[] => text.split('\n').filter(Boolean).map((line) => JSON.parse(line) as ExportLine);
export const toText = (lines: readonly object[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

export const headerOf = (lines: readonly ExportLine[]): HeaderLine => lines.find((line) => line.type === 'export') as HeaderLine;
export const eventsOf = (lines: readonly ExportLine[]): EventLine[] => lines.filter((line): line is EventLine => line.type === 'event');
export const checkpointsOf = (lines: readonly ExportLine[]): CheckpointLine[] => lines.filter((line): line is CheckpointLine => line.type === 'checkpoint');
export const endOf = (lines: readonly ExportLine[]): EndLine => lines.at(-1) as EndLine;
