import { createPublicKey, type KeyObject } from 'node:crypto';
import { CHAIN_START, isSignatureOf, type CheckpointStatement, type EndStatement } from './audit-chain.js';
import { ChainBroken, diagnose, hashOf, type Suspect } from './chain-diagnosis.js';
import { readLine, type CheckpointLine, type EndLine, type EventLine, type ExportLine, type HeaderLine } from './export-lines.js';

/** What an export was proven to be: complete from its first event to its last, and unchanged. */
export interface Proof {
  readonly organizationId: string;
  readonly exportedAt: string;
  readonly events: number;
  readonly first: number;
  readonly last: number;
  /** Of the last link. */
  readonly hash: string;
  readonly checkpoints: number;
  readonly keyIds: readonly string[];
}

export interface Trust {
  /** The only keys to believe, by id; left out: the export's own. */
  readonly keys?: ReadonlyMap<string, KeyObject>;
  /** An earlier export of the same organization, which this one must continue. */
  readonly earlier?: Proof;
}

/**
 * Proves an export, line by line: every event has the hash it was sealed with, none is missing, and the service has
 * signed it all. Throws `ChainBroken` for the first fault. `open` is called again where that needs a name.
 */
export async function verifyExport(open: () => AsyncIterable<string>, trust: Trust = {}): Promise<Proof> {
  const verification = new Verification(trust);
  let number = 0;
  for await (const text of open()) {
    number += 1;
    const line = readLine(text);
    if (!line) throw verification.broken('malformed', `line ${number} is not a line of an export`);
    const suspect = verification.take(line);
    if (suspect) throw await diagnose(open(), suspect);
  }
  return verification.finish();
}

/** Public keys by their id, from a key set (RFC 7517); what is no EC key on P-256 with an id is left out. */
export function readKeys(jwks: readonly object[]): ReadonlyMap<string, KeyObject> {
  const keys = new Map<string, KeyObject>();
  for (const jwk of jwks as readonly Readonly<Record<string, unknown>>[]) {
    const { kty, crv, x, y, kid } = jwk;
    if (kty !== 'EC' || crv !== 'P-256' || typeof kid !== 'string') continue;
    try {
      keys.set(kid, createPublicKey({ key: { kty, crv, x: String(x), y: String(y) }, format: 'jwk' }));
    } catch {
      // Not a point of the curve: no key.
    }
  }
  return keys;
}

class Verification {
  private header: HeaderLine | null = null;
  private end: EndLine | null = null;
  private keys: ReadonlyMap<string, KeyObject> = new Map();
  private readonly usedKeys = new Set<string>();
  private sequence = 0;
  private eventId: string | null = null;
  private hash = CHAIN_START;
  /** The last event that is signed for. */
  private signed = 0;
  /** The first event behind it. */
  private firstUnsigned: string | null = null;
  private checkpoints = 0;

  constructor(private readonly trust: Trust) {}

  take(line: ExportLine): Suspect | null {
    if (line.type === 'export') return this.open(line);
    if (!this.header) throw this.broken('malformed', 'the export does not begin with its header');
    if (this.end) throw this.broken('malformed', 'there is more behind the end of the export');
    if (line.type === 'event') return this.follow(line);
    if (line.organization_id !== this.header.organization_id) throw this.broken('malformed', `a ${line.type} of another organization stands here`);
    if (line.type === 'checkpoint') this.check(line);
    else this.close(line);
    return null;
  }

  finish(): Proof {
    if (!this.header || !this.end) throw this.broken('cut-off', 'the export has no end: what followed here is missing');
    const { earlier } = this.trust;
    if (earlier && earlier.last > this.sequence) {
      throw new ChainBroken('missing-event', this.sequence + 1, null, `an earlier export has the events up to ${earlier.last}, this one ends at ${this.sequence}`);
    }
    return {
      organizationId: this.header.organization_id,
      exportedAt: this.header.exported_at,
      events: this.end.events,
      first: 1,
      last: this.sequence,
      hash: this.hash.toString('hex'),
      checkpoints: this.checkpoints,
      keyIds: [...this.usedKeys],
    };
  }

  broken(kind: ChainBroken['kind'], message: string): ChainBroken {
    return new ChainBroken(kind, this.sequence, this.eventId, message);
  }

  private open(line: HeaderLine): null {
    if (this.header) throw this.broken('malformed', 'the export has a second header');
    const { earlier } = this.trust;
    if (earlier && earlier.organizationId !== line.organization_id) throw this.broken('malformed', 'the earlier export is of another organization');
    this.header = line;
    this.keys = this.trust.keys ?? readKeys(line.keys);
    return null;
  }

  private follow(line: EventLine): Suspect | null {
    const expected = this.sequence + 1;
    if (line.sequence !== expected) return { expected, previous: this.hash, line };
    if (!line.event) throw new ChainBroken('missing-event', expected, line.event_id, 'its link is there, the event itself was deleted');
    const { id, organization_id: organizationId } = line.event;
    const hash = hashOf(this.hash, line);
    if (hash?.toString('hex') !== line.hash || id !== line.event_id || organizationId !== this.header?.organization_id) {
      return { expected, previous: this.hash, line };
    }
    const { earlier } = this.trust;
    if (earlier?.last === expected && earlier.hash !== line.hash) {
      throw new ChainBroken('changed-event', expected, line.event_id, 'an earlier export ends here with another hash: this event or one before it was changed since');
    }
    this.sequence = expected;
    this.eventId = line.event_id;
    this.hash = hash;
    if (this.firstUnsigned === null) this.firstUnsigned = line.event_id;
    return null;
  }

  private check({ key_id: keyId, signature, ...statement }: CheckpointLine): void {
    this.requireSignature(statement, keyId, signature, `the checkpoint of sequence ${statement.sequence}`);
    const { first_sequence: first, sequence, hash } = statement;
    if (first > this.signed + 1) {
      throw new ChainBroken('missing-checkpoint', this.signed + 1, this.firstUnsigned, `the events from ${this.signed + 1} to ${first - 1} are not signed for: their checkpoint was removed`);
    }
    if (sequence > this.sequence) {
      throw new ChainBroken('missing-event', this.sequence + 1, null, `the service signed the events up to ${sequence}, here ${this.sequence} is followed by none`);
    }
    if (first !== this.signed + 1 || sequence !== this.sequence) throw this.broken('reordered', `the checkpoint of the events from ${first} to ${sequence} does not belong here`);
    if (hash !== this.hash.toString('hex')) {
      throw new ChainBroken('changed-event', first, this.firstUnsigned, `the service signed another history of the events from ${first} to ${sequence}: one of them was changed, and the hashes were made anew`);
    }
    this.signed = sequence;
    this.firstUnsigned = null;
    this.checkpoints += 1;
  }

  private close(line: EndLine): void {
    const { key_id: keyId, signature, ...statement } = line;
    if (this.signed < this.sequence) {
      throw new ChainBroken('missing-checkpoint', this.signed + 1, this.firstUnsigned, `the events from ${this.signed + 1} to ${this.sequence} are not signed for: their checkpoint was removed`);
    }
    this.requireSignature(statement, keyId, signature, 'the end of the export');
    if (statement.events > this.sequence) {
      throw new ChainBroken('missing-event', this.sequence + 1, null, `${statement.events} events were exported, here are ${this.sequence}`);
    }
    const { exported_at: exportedAt, events, checkpoints, hash } = statement;
    const fits = events === this.sequence && checkpoints === this.checkpoints && hash === this.hash.toString('hex') && exportedAt === this.header?.exported_at;
    if (!fits) throw this.broken('malformed', 'the end of the export is that of another export');
    this.end = line;
  }

  private requireSignature(statement: CheckpointStatement | EndStatement, keyId: string, signature: string, what: string): void {
    const key = this.keys.get(keyId);
    if (!key) throw this.broken('unknown-key', `${what} is signed with a key that is not known (${keyId})`);
    if (!isSignatureOf(statement, Buffer.from(signature, 'base64url'), key)) throw this.broken('wrong-signature', `${what} is not what was signed`);
    this.usedKeys.add(keyId);
  }
}
