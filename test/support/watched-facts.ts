import type { Database } from '../../src/kernel/database/database.js';

/** Counts how often the facts of a token are read, and can hold or fail those reads. */
export interface FactsWatch {
  readonly reads: number;
  /** From now on what was read does not arrive until it is released; `read` is when the first has been read. */
  hold(): { readonly read: Promise<void>; release(): void };
  /** From now on each read fails as if nothing listened, until what is returned is called. */
  fail(): () => void;
  stop(): void;
}

export function watchFacts(database: Database): FactsWatch {
  const query = database.query.bind(database);
  let reads = 0;
  let failing = false;
  let arrive: Promise<void> = Promise.resolve();
  let wasRead = (): void => undefined;
  database.query = async <Row>(sql: string, parameters?: readonly unknown[]): Promise<Row[]> => {
    if (!sql.includes('token_facts')) return query<Row>(sql, parameters);
    reads += 1;
    if (failing) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const mayArrive = arrive;
    const rows = await query<Row>(sql, parameters);
    wasRead();
    await mayArrive;
    return rows;
  };
  return {
    get reads() {
      return reads;
    },
    hold() {
      let release = (): void => undefined;
      arrive = new Promise((resolve) => {
        release = () => {
          arrive = Promise.resolve();
          resolve();
        };
      });
      return { read: new Promise((resolve) => (wasRead = resolve)), release: () => release() };
    },
    fail() {
      failing = true;
      return () => (failing = false);
    },
    stop() {
      database.query = query;
    },
  };
}
