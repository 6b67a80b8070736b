import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from '../support/call.js';
import { TEST_SERVER_URL } from '../support/database.js';
import { runMatrix, type Report } from './matrix/matrix.js';
import { readOperations, type Operation } from './matrix/operations.js';
import { runWithoutB } from './matrix/without-b.js';
import { aWorld, type OwnWorld } from './matrix/world.js';

/** On the embedded database, which has one connection: one caller of each sort. On a server: all. */
const FEW = ['session of an ADMIN', 'session with a custom role of exactly this', 'project token of everything', 'machine-identity token of everything', 'user token limited to a project', 'nobody'];

let world: OwnWorld;
let operations: readonly Operation[];
let served: readonly string[];

beforeAll(async () => {
  world = await aWorld();
  ({ described: operations, served } = await readOperations());
  await world.prepareFor(operations);
}, 300_000);
afterAll(() => world.end());

describe('for every operation, every kind of caller and every place an id can stand', () => {
  it('the document and the server name the same operations', () => {
    expect([...served].sort()).toEqual(operations.map(({ name }) => name).sort());
  });

  it('what is another organization\'s is what does not exist, leaves no trace and stays as it is', async ({ task }) => {
    const callers = world.callers.filter(({ name }) => TEST_SERVER_URL !== null || FEW.includes(name));
    const only = process.env['MATRIX_ONLY']?.split(',') ?? [''];
    const report = await runMatrix({ ...world, callers }, operations.filter(({ name }) => only.some((part) => name.includes(part))));
    const { cells, refused, requests, leaks, vacuous } = report;
    task.meta.line = `isolation matrix: ${operations.length} operations, ${callers.length} callers, ${cells} cells (${refused} of them refused whatever is named), ${requests} requests: ${leaks.length} leaks, ${vacuous.length} vacuous cells`;
    const { status } = await call('GET', '/auth/me', { as: world.a.tenant.admin.session });
    expect(status, 'sessions must outlast the run: they are let in for 15 minutes').toBe(200);
    expect(`${[...vacuous, ...leaks].join('\n')}`).toBe('');
    expect(cells).toBeGreaterThan(process.env['MATRIX_ONLY'] ? 0 : operations.length * callers.length);
  }, 1_800_000);

  it('nothing that can be read depends on whether another organization is there', async ({ task }) => {
    const report: Report = { cells: 0, refused: 0, requests: 0, leaks: [], vacuous: [] };
    const callers = world.callers.filter(({ name }) => TEST_SERVER_URL !== null || FEW.includes(name));
    const compared = await runWithoutB({ ...world, callers }, operations, report);
    task.meta.line = `isolation matrix: ${compared} answers compared with those of a world without the other organization: ${report.leaks.length} differ`;
    expect(report.leaks.join('\n')).toBe('');
    expect(compared).toBeGreaterThan(200);
  }, 300_000);
});
