import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import type { OpenDatabase } from '../../../src/kernel/database/open-database.js';

interface Result {
  readonly rows: Record<string, any>[];
}

interface Table {
  readonly name: string;
  /** All but generated columns. */
  readonly columns: readonly string[];
  readonly key: readonly string[];
  /** Columns of type uuid but the organization's. */
  readonly ids: readonly string[];
  /** What tells whose a row is; null: the installation's own. */
  readonly organizationColumn: 'organization_id' | 'id' | null;
}

/** The whole database as its owner sees it, past row-level security: to look at every tenant's rows, and to put them back. */
export class DatabaseState {
  /** Number of the transaction that wrote last what is to stay. */
  private boundary = 0;
  /** Done after rows were put back: whoever remembers rows, or what was asked, forgets it. */
  afterwards: (tables: readonly string[]) => Promise<void> = () => Promise.resolve();
  private watched: { readonly organizations: readonly string[]; readonly people: readonly string[] } = { organizations: [], people: [] };
  private kept = new Map<string, Counts>();

  private constructor(
    private readonly run: (statements: string) => Promise<Record<string, any>[]>,
    private readonly tables: readonly Table[],
    readonly end: () => Promise<void>,
  ) {}

  static async of(database: OpenDatabase, app: NestFastifyApplication): Promise<DatabaseState> {
    const { url } = database.dataSourceOptions as { url?: string };
    let run = embeddedOwner(app);
    let end = (): Promise<void> => Promise.resolve();
    if (url !== undefined) {
      const client = new Client({ connectionString: url });
      await client.connect();
      // What a crash would lose is a scratch database; waiting for the disk at every commit would double the run.
      await client.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET synchronous_commit = off`);
      let turn: Promise<unknown> = Promise.resolve();
      run = (statements) => {
        const rows = turn.then(async () => {
          const results: Result | Result[] = await client.query(statements);
          return [results].flat().at(-1)?.rows ?? [];
        });
        // One after the other, whether or not the one before it has failed.
        turn = rows.catch(() => undefined);
        return rows;
      };
      end = () => client.end();
    }
    const rows = await run(
      `SELECT c.relname AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns,
              array_agg(a.attname::text) FILTER (WHERE a.attnum = ANY (p.indkey)) AS key,
              coalesce(array_agg(a.attname::text) FILTER (WHERE a.atttypid = 'uuid'::regtype AND a.attname <> 'organization_id'), '{}') AS ids
         FROM pg_class c JOIN pg_index p ON p.indrelid = c.oid AND p.indisprimary
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'schema_migrations'
        GROUP BY c.relname ORDER BY c.relname`,
    );
    const tables = rows.map(({ name, columns, key, ids }): Table => ({
      name,
      columns,
      key,
      ids,
      organizationColumn: columns.includes('organization_id') ? 'organization_id' : name === 'organizations' ? 'id' : null,
    }));
    return new DatabaseState(run, tables, end);
  }

  /** One statement as the owner; its rows. */
  query(sql: string): Promise<Record<string, any>[]> {
    return this.run(sql);
  }

  /** Remembers every row of every table. */
  async keep(): Promise<void> {
    const copies = this.tables.map(({ name }) => `CREATE TABLE kept.${name} AS TABLE public.${name};`);
    await this.run(`DROP SCHEMA IF EXISTS kept CASCADE; CREATE SCHEMA kept; ${copies.join('')}`);
    this.boundary = await this.transactionNow();
    this.kept = await this.counts();
  }

  /** Whose rows `changedOfWatched` is about. */
  watch(organizations: readonly string[], people: readonly string[]): void {
    this.watched = { organizations, people };
  }

  /** Tables in which a row of the watched was written or deleted since. */
  async changedOfWatched(): Promise<readonly string[]> {
    const now = await this.counts();
    return this.tables.flatMap(({ name }) => (now.get(name)?.watched === this.kept.get(name)?.watched ? [] : [name]));
  }

  /** Puts back every row that was written, changed or deleted since; tells of which tables. */
  async restore(): Promise<readonly string[]> {
    const now = await this.counts();
    const changed = this.tables.filter(({ name }) => now.get(name)?.written !== '0' || now.get(name)?.rows !== this.kept.get(name)?.rows);
    if (changed.length === 0) {
      await this.afterwards([]);
      return [];
    }
    const statements = changed.map(({ name, columns, key }) => {
      const list = columns.map((column) => `"${column}"`).join(', ');
      const same = key.map((column) => `t."${column}" = k."${column}"`).join(' AND ');
      return `DELETE FROM public.${name} WHERE xmin::text::bigint > ${this.boundary};
        INSERT INTO public.${name} (${list}) OVERRIDING SYSTEM VALUE SELECT ${list} FROM kept.${name} k WHERE NOT EXISTS (SELECT FROM public.${name} t WHERE ${same});`;
    });
    // Without triggers: neither foreign keys in their order nor the record of what is only put back.
    await this.run(`BEGIN; SET LOCAL session_replication_role = replica; ${statements.join('')} COMMIT`);
    this.boundary = await this.transactionNow();
    const names = changed.map(({ name }) => name);
    await this.afterwards(names);
    return names;
  }

  /** All rows of these organizations and people, a digest a table, made in the database; no column is left out. */
  async fingerprint(organizationIds: readonly string[], userIds: readonly string[]): Promise<Readonly<Record<string, string>>> {
    const sum = `count(*) || ':' || md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS sum`;
    const parts = this.tables.flatMap((table) => {
      const condition = this.conditionOn(table, organizationIds, userIds);
      return condition ? [`SELECT '${table.name}' AS name, ${sum} FROM public.${table.name} t WHERE ${condition}`] : [];
    });
    parts.push(`SELECT 'queue.job' AS name, ${sum} FROM queue.job t WHERE data ->> 'organization_id' IN (${quoted(organizationIds)})`);
    const rows = await this.run(parts.join(' UNION ALL '));
    return Object.fromEntries(rows.map((row) => [row['name'], row['sum']]));
  }

  /** Removes these organizations with all they have, and these people. */
  async erase(organizationIds: readonly string[], userIds: readonly string[]): Promise<void> {
    const statements = this.tables.flatMap((table) => {
      const condition = this.conditionOn(table, organizationIds, userIds);
      return condition ? [`DELETE FROM public.${table.name} WHERE ${condition};`] : [];
    });
    await this.run(`BEGIN; SET LOCAL session_replication_role = replica; ${statements.join('')} COMMIT`);
  }

  /** Remembers these ids, of another organization than those that are asked about later. */
  async mark(ids: readonly string[]): Promise<void> {
    await this.run(`CREATE TABLE kept.marked AS SELECT DISTINCT unnest(ARRAY[${quoted(ids)}]::uuid[]) AS id`);
  }

  /** Columns of rows written since everything was kept that, in these organizations, hold a marked id; but the record of what was asked for. */
  async referencesToMarked(organizationIds: readonly string[]): Promise<readonly string[]> {
    const parts = this.tables
      .filter(({ name, organizationColumn }) => organizationColumn === 'organization_id' && name !== 'audit_events')
      .flatMap(({ name, ids }) => ids.map((column) =>
        `SELECT '${name}.${column}' AS place WHERE EXISTS (SELECT FROM public.${name} WHERE xmin::text::bigint > ${this.boundary}
           AND organization_id IN (${quoted(organizationIds)}) AND ${column} IN (SELECT id FROM kept.marked))`));
    return (await this.run(parts.join(' UNION ALL '))).map(({ place }) => place as string);
  }

  private async transactionNow(): Promise<number> {
    const [row] = await this.run('SELECT txid_current() % (2 ^ 32)::bigint AS now');
    return Number(row?.['now']);
  }

  private async counts(): Promise<Map<string, Counts>> {
    const written = `count(*) FILTER (WHERE xmin::text::bigint > ${this.boundary})`;
    const parts = this.tables.map((table) => {
      const watched = this.conditionOn(table, this.watched.organizations, this.watched.people) ?? 'false';
      return `SELECT '${table.name}' AS name, count(*)::text AS rows, (${written})::text AS written,
        concat(count(*) FILTER (WHERE ${watched}), ' ', count(*) FILTER (WHERE xmin::text::bigint > ${this.boundary} AND ${watched})) AS watched FROM public.${table.name}`;
    });
    return new Map((await this.run(parts.join(' UNION ALL '))).map((row) => [row['name'] as string, row as Counts]));
  }

  /** What chooses the rows of these; null where they have none. */
  private conditionOn({ name, organizationColumn }: Table, organizations: readonly string[], people: readonly string[]): string | null {
    if (organizationColumn) return `${organizationColumn} IN (${quoted(organizations)})`;
    return name === 'users' ? `id IN (${quoted(people)})` : null;
  }
}

/** Of a table: its rows, those written since everything was kept, and the same of the watched. */
interface Counts extends Record<string, string> {
  readonly rows: string;
  readonly written: string;
  readonly watched: string;
}

const quoted = (ids: readonly string[]): string => (ids.length === 0 ? 'NULL' : ids.map((id) => `'${id}'`).join(', '));

/** The embedded database has one session: the owner's statements take their turn in it. */
function embeddedOwner(app: NestFastifyApplication): (statements: string) => Promise<Record<string, any>[]> {
  return (statements) => {
    const bare = statements.replace(/^BEGIN;/, '').replace(/COMMIT$/, '');
    return app.get(DataSource).transaction(async (manager) => {
      await manager.query('SET LOCAL ROLE NONE');
      return manager.query(bare);
    });
  };
}
