import { Injectable } from '@nestjs/common';
import { byteaArray, Database } from '../kernel/database/database.js';
import { Grouping } from '../kernel/grouping.js';
import type { TokenFacts } from './token-facts.js';

const FACTS = 'SELECT * FROM token_facts_of($1)';
const READS = { itemsMax: 100, underWayMax: 2, slowAfterMs: 100 };

/** Reads from the database what a verdict on a secret depends on, whosever it is. */
@Injectable()
export class FactsReader {
  /** Reads at the same time share a query; each is begun after it was asked for, and fails with its own query only. */
  private readonly reads = new Grouping<readonly Buffer[], TokenFacts | null>((asked) => this.readEach(asked), READS);

  constructor(private readonly database: Database) {}

  /** Of the secret that has one of these hashes, the first that is a secret's; null for none. */
  async read(hashes: readonly Buffer[]): Promise<TokenFacts | null> {
    if (!this.database.isTogether) return this.reads.do(hashes);
    return among(await this.database.query<TokenFacts>(FACTS, [byteaArray(hashes)]))(hashes);
  }

  private async readEach(asked: readonly (readonly Buffer[])[]): Promise<readonly (TokenFacts | null)[]> {
    const distinct = new Map(asked.flat().map((hash) => [hash.toString('hex'), hash]));
    return asked.map(among(await this.database.statement<TokenFacts>('token-facts', FACTS, [byteaArray([...distinct.values()])])));
  }
}

function among(found: readonly TokenFacts[]): (hashes: readonly Buffer[]) => TokenFacts | null {
  const byHash = new Map(found.map((facts) => [facts.secret_hash.toString('hex'), facts]));
  return (hashes) => hashes.map((hash) => byHash.get(hash.toString('hex'))).find((facts) => facts !== undefined) ?? null;
}
