import { SigningKeys } from '../../../src/access/signing-keys.js';
import { GithubKeys } from '../../../src/inventory/github-keys.js';
import { AuditSealer } from '../../../src/audit/audit-sealer.js';
import { Invalidations, type Changed } from '../../../src/kernel/database/invalidations.js';
import type { OpenDatabase } from '../../../src/kernel/database/open-database.js';
import { FailureWitness } from '../../../src/kernel/http/failure-witness.js';
import { replaceApp, theApp } from '../../support/app.js';
import { aTenant } from '../../support/builders.js';
import { call } from '../../support/call.js';
import { anEmptyDatabase } from '../../support/instance.js';
import { DatabaseState } from './database-state.js';
import type { Operation } from './operations.js';
import { callersOf, fixed, type Caller } from './principals.js';
import { GITHUB, OPERATORS } from './recipes.js';
import { ownInput, send } from './requests.js';
import { aTwin, tracesOf, type Twin } from './twins.js';

/** Two organizations that look alike, and who calls. */
export interface World {
  readonly a: Twin;
  readonly b: Twin;
  readonly callers: readonly Caller[];
  /** Of B: to show that what A is refused is really there. */
  readonly counterparts: readonly Caller[];
  readonly operator: Caller;
  readonly state: DatabaseState;
  readonly tracesOfB: readonly string[];
}

export interface OwnWorld extends World {
  readonly database: OpenDatabase;
  /** Gives the callers what these operations ask for; nothing may be asked of the world before. */
  prepareFor(operations: readonly Operation[]): Promise<void>;
  end(): Promise<void>;
}

interface Remembering {
  readonly heads: Map<string, unknown>;
}

interface Telling {
  tell(changed: Changed): void;
}

interface Counting {
  readonly refusals: Map<string, unknown>;
}

/** Where the lists of the twin go on, as its own administrator is told. */
async function collectCursors(twin: Twin, operations: readonly Operation[]): Promise<void> {
  for (const operation of operations.filter(({ method, parameters }) => method === 'GET' && parameters.some(({ name }) => name === 'limit'))) {
    const input = ownInput(operation, twin);
    const { text } = await send(operation, { ...input, query: { ...input.query, limit: '1' } }, `Bearer ${twin.tenant.admin.session}`);
    const cursor = /"(?:next_cursor|nextPageToken)":"([^"]+)"/.exec(text)?.[1];
    if (cursor !== undefined) twin.cursors.set(operation.name, cursor);
  }
}

/** An installation of its own with an operator and two organizations that look alike. */
export async function aWorld(): Promise<OwnWorld> {
  const database = await anEmptyDatabase();
  const putBack = await replaceApp(database);
  const { app } = await theApp();
  const state = await DatabaseState.of(database, app);
  const platform = await aTenant({ slug: 'operator', platform: true });
  await call('POST', '/v1/permissions', { as: platform.admin.session, body: { key: OPERATORS.permission, description: 'of the operator' } });
  // Neither signs anything before the run is over, so that the first can go.
  for (const place of [0, 1]) {
    const { body } = await call('POST', '/v1/signing-keys', { as: platform.admin.session, body: { activate_in_seconds: 24 * 3600 } });
    if (place === 0) OPERATORS.signingKey = body.id;
  }
  Object.assign(app.get(GithubKeys), { known: new Map([[GITHUB.id, GITHUB.publicKey.export({ format: 'pem', type: 'spki' })]]) });
  const a = await aTwin(state, 0);
  const b = await aTwin(state, 3);
  const world = {
    a,
    b,
    callers: [] as World['callers'],
    counterparts: [] as World['callers'],
    operator: fixed('session of the operator', platform.admin.session),
    state,
    tracesOfB: [] as readonly string[],
    database,
    async prepareFor(operations: readonly Operation[]): Promise<void> {
      const permissions = [...new Set(operations.map(({ permission }) => permission))].filter((permission) => permission !== 'public');
      world.callers = await callersOf(a, permissions, state);
      world.counterparts = await callersOf(b, [], state);
      for (const twin of [a, b]) await collectCursors(twin, operations);
      const [sealer, invalidations, refusals]: unknown[] = [app.get(AuditSealer), app.get(Invalidations), app.get(FailureWitness)];
      state.afterwards = async (tables) => {
        (sealer as Remembering).heads.clear();
        (invalidations as Telling).tell('everything');
        (refusals as Counting).refusals.clear();
        if (tables.includes('signing_keys')) await app.get(SigningKeys).reload();
      };
      world.tracesOfB = await tracesOf(b, state);
      state.watch([b.tenant.id, b.sub.id], b.people.map(({ id }) => id));
      await state.keep();
      await state.mark([b.tenant.id, b.sub.id, ...world.tracesOfB.filter((trace) => /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(trace))]);
    },
    async end(): Promise<void> {
      await state.end();
      await putBack();
      await database.close();
    },
  };
  return world;
}
