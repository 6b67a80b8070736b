import type { Database } from '../../src/kernel/database/database.js';

/** Counts the queries by which the facts of tokens, or of sessions, are read, of however many, and can hold or fail them. */
export interface FactsWatch {
  readonly reads: number;
  /** From now on what was read does not arrive until it is released; `read` is when the first has been read. */
  hold(): { readonly read: Promise<void>; release(): void };
  /** From now on each read fails as if nothing listened, until what is returned is called. */
  fail(): () => void;
  stop(): void;
}

export function watchFacts(database: Database, of: 'token_facts' | 'session_facts' = 'token_facts'): FactsWatch {
  const [query, statement] = [database.query.bind(database), database.statement.bind(database)];
  let reads = 0;
  let failing = false;
  let arrive: Promise<void> = Promise.resolve();
  let wasRead = (): void => undefined;
  const watched = async <Row>(sql: string, ask: () => Promise<Row[]>): Promise<Row[]> => {
    if (!sql.includes(of)) return ask();
    reads += 1;
    if (failing) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const mayArrive = arrive;
    const rows = await ask();
    wasRead();
    await mayArrive;
    return rows;
  };
  database.query = <Row>(sql: string, parameters?: readonly unknown[]) => watched(sql, () => query<Row>(sql, parameters));
  database.statement = <Row extends object>(name: string, sql: string, parameters: readonly unknown[]) => watched(sql, () => statement<Row>(name, sql, parameters));
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
      Object.assign(database, { query, statement });
    },
  };
}
