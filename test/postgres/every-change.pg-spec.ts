import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Answer } from '../support/call.js';
import { readOperations, type Operation } from '../tenancy/matrix/operations.js';
import { recipeOf } from '../tenancy/matrix/recipes.js';
import { ownInput, send } from '../tenancy/matrix/requests.js';
import { aWorld, type OwnWorld } from '../tenancy/matrix/world.js';

/** Written beside what was asked for: the record itself, what counts attempts, what keeps answers, what tells other processes. */
const BESIDE = ['audit_events', 'audit_links', 'audit_checkpoints', 'unsealed_audit_events', 'invalidations', 'kept_answers', 'login_attempts', 'maintenance_turns'];
/** The attempt stands, whatever comes of it: it is counted before the password is looked at. */
const COUNTED: Readonly<Record<string, readonly string[]>> = { 'POST /v1/invitations/accept': ['invitations'] };

/** What an operation does for the first caller for whom it does anything. */
interface Done {
  readonly operation: Operation;
  readonly authorization: string | null;
  readonly changed: readonly string[];
  readonly events: readonly string[];
}

let world: OwnWorld;
const done: Done[] = [];
const unanswered: string[] = [];
beforeAll(async () => {
  world = await aWorld();
  const { described: operations } = await readOperations();
  await world.prepareFor(operations);
  for (const operation of operations) {
    const first = await firstSuccess(operation);
    if (first) done.push(first);
    else unanswered.push(operation.name);
  }
}, 600_000);
afterAll(() => world.end());

const ask = (operation: Operation, authorization: string | null): Promise<Answer> => send(operation, ownInput(operation, world.a), authorization);
const withoutBeside = (tables: readonly string[]): string[] => tables.filter((table) => !BESIDE.includes(table));

/** Every event of this request, in whichever organization: action, target and organization in one text. */
async function eventsOf({ headers }: Answer): Promise<string[]> {
  const rows = await world.state.query(
    `SELECT concat_ws(' ', action, target_kind, target_id, organization_id) AS event FROM audit_events WHERE request_id = '${String(headers['x-request-id'])}' ORDER BY 1`,
  );
  return rows.map(({ event }) => event as string);
}

async function firstSuccess(operation: Operation): Promise<Done | null> {
  for (const caller of [...world.callers, world.operator]) {
    const authorization = caller.authorizationFor(operation.permission);
    const answer = await ask(operation, authorization);
    const events = await eventsOf(answer);
    const changed = withoutBeside(await world.state.restore());
    if (answer.status >= 200 && answer.status < 300) return { operation, authorization, changed, events };
  }
  return null;
}

/** While the work runs, nothing can be written into the record. */
async function withoutRecord<T>(work: () => Promise<T>): Promise<T> {
  await world.state.query('REVOKE INSERT ON audit_events FROM gatehouse_app; SELECT 1');
  try {
    return await work();
  } finally {
    await world.state.query('GRANT INSERT ON audit_events TO gatehouse_app; SELECT 1');
  }
}

const writes = (): Done[] => done.filter(({ changed }) => changed.length > 0);

describe('every operation of the document', () => {
  it('was answered with success to somebody, and many of them change something', () => {
    expect(unanswered).toEqual([]);
    expect(writes().length).toBeGreaterThan(60);
  });

  it('that changes something is recorded in each organization concerned, no event twice; one that reads is not', () => {
    const faults = done.flatMap(({ operation, changed, events }) => {
      if (new Set(events).size < events.length) return [`${operation.name} records twice: ${events.join(', ')}`];
      if (changed.length > 0 && events.length === 0) return [`${operation.name} changes ${changed.join(', ')} and records nothing`];
      if (changed.length === 0 && events.length > 0 && !recipeOf(operation).changes) return [`${operation.name} changes nothing and records ${events.join(', ')}`];
      return [];
    });
    expect(faults).toEqual([]);
  });

  it('that is recorded does nothing, and does not say that it had, where it cannot be recorded', async () => {
    const faults: string[] = [];
    for (const { operation, authorization } of done.filter(({ events }) => events.length > 0)) {
      const { status } = await withoutRecord(() => ask(operation, authorization));
      const changed = withoutBeside(await world.state.restore()).filter((table) => !COUNTED[operation.name]?.includes(table));
      if (status < 500 || changed.length > 0) faults.push(`${operation.name} answers ${status} and changes ${changed.join(', ') || 'nothing'}`);
    }
    expect(faults).toEqual([]);
  }, 300_000);
});
