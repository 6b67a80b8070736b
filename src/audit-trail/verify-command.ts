import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { ChainBroken } from '../audit/chain-diagnosis.js';
import { readKeys, verifyExport, type Proof, type Trust } from '../audit/export-verifier.js';

const USAGE = `Proves an audit export offline: that no event was changed, lost or added.

  npm run audit:verify -- <export.ndjson> [--keys <jwks.json>] [--earlier <export.ndjson>]

  --keys      believe only these public keys (/.well-known/jwks.json, kept from before), not those in the export
  --earlier   prove as well that this export continues an earlier one
`;

/** The exit status: 0 for a proven export, 1 for a broken one, 2 where nothing could be judged. */
export async function verifyCommand(words: readonly string[], say: (text: string) => void, complain: (text: string) => void): Promise<0 | 1 | 2> {
  try {
    const { positionals, values } = parseArgs({ args: [...words], allowPositionals: true, options: { keys: { type: 'string' }, earlier: { type: 'string' } } });
    const [file] = positionals;
    if (file === undefined || positionals.length > 1) throw new Unusable(USAGE);
    const keys = values.keys === undefined ? undefined : await readKeySet(values.keys);
    const earlier = values.earlier === undefined ? undefined : await prove(values.earlier, { keys });
    const proof = await prove(file, { keys, earlier });
    say(describe(proof, { pinned: keys !== undefined, earlier }));
    return 0;
  } catch (error) {
    if (error instanceof BrokenFile) {
      complain(`${error.message}\n`);
      return 1;
    }
    complain(`${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
}

class Unusable extends Error {}
class BrokenFile extends Error {}

async function prove(file: string, trust: Trust): Promise<Proof> {
  try {
    return await verifyExport(() => linesOf(file), trust);
  } catch (error) {
    if (!(error instanceof ChainBroken)) throw error;
    const { kind, sequence, eventId, message } = error;
    const place = sequence === 0 ? 'before the first event' : `at sequence ${sequence}${eventId ? `, event ${eventId}` : ''}`;
    throw new BrokenFile(`BROKEN ${file}\n  ${place}: ${kind}: ${message}.`);
  }
}

/** Ends lines at line feeds and nowhere else: JSON text may hold other characters that some take for line ends. */
async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of createReadStream(file, { encoding: 'utf8', highWaterMark: 1 << 20 }) as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}

async function readKeySet(file: string): Promise<Trust['keys']> {
  const text = await readFile(file, 'utf8');
  let keys: unknown;
  try {
    keys = (JSON.parse(text) as { keys?: unknown } | null)?.keys;
  } catch {
    keys = null;
  }
  if (!Array.isArray(keys)) throw new Unusable(`${file} is no key set: it must be a JSON object with a list "keys" (RFC 7517).`);
  return readKeys(keys.filter((key): key is object => typeof key === 'object' && key !== null));
}

function describe(proof: Proof, { pinned, earlier }: { pinned: boolean; earlier: Proof | undefined }): string {
  const lines = [
    `PROVEN: ${proof.events} events of organization ${proof.organizationId}, complete and unchanged`,
    `  sequence     ${proof.first} to ${proof.last}`,
    `  checkpoints  ${proof.checkpoints} verified, the last at sequence ${proof.last}`,
    `  exported at  ${proof.exportedAt}`,
    `  last hash    ${proof.hash}`,
    `  signed with  ${proof.keyIds.join(', ')} (${pinned ? 'from --keys' : 'from the export itself: pass --keys to believe only keys you know'})`,
  ];
  if (earlier) lines.push(`  continues    the earlier export of ${earlier.exportedAt}, which ends at sequence ${earlier.last}`);
  return `${lines.join('\n')}\n`;
}
