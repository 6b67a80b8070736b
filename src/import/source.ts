import type { ImportRow } from './import.dto.js';
import type { SourceDatabase } from './source-database.js';

/** A token of another product: what to import, or why it has no counterpart here. */
export type SourceToken = {
  /** Tells it to people: no secret and no hash. */
  readonly label: string;
} & ({ readonly row: Partial<ImportRow> } | { readonly left: string });

/** What whoever imports wants otherwise. */
export interface Wishes {
  /** What every token may do, in the place of what its type stands for. */
  readonly permissions: readonly string[] | null;
  /** Their key of a project, and of an environment, to ours; one that is not named has the same key here. */
  readonly projects: ReadonlyMap<string, string>;
  readonly environments: ReadonlyMap<string, string>;
  /** Takes a token that is linked to no project for one of all, where nothing tells whether it was. */
  readonly unlinkedAsAllProjects: boolean;
}

/** A product whose tokens can be brought along. */
export interface Source {
  readonly product: string;
  /** How its database is written for `--from`. */
  readonly from: string;
  read(database: SourceDatabase, wishes: Wishes): Promise<readonly SourceToken[]>;
}
