import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withoutRowLevelSecurity } from '../tenancy/matrix/faults.js';
import { runMatrix, type Report } from '../tenancy/matrix/matrix.js';
import { MUTANTS, type Mutant } from '../tenancy/matrix/mutants.js';
import { readOperations, type Operation } from '../tenancy/matrix/operations.js';
import { runWithoutB } from '../tenancy/matrix/without-b.js';
import { aWorld, type OwnWorld } from '../tenancy/matrix/world.js';

/** Enough to show each fault, and few enough to show many. */
const CALLERS = ['session of an ADMIN', 'session of an EXTERNAL', 'organization token of everything', 'user token of nothing', 'nobody'];

let world: OwnWorld;
let operations: readonly Operation[];
const caught = new Set<string>();

beforeAll(async () => {
  world = await aWorld();
  ({ described: operations } = await readOperations());
  await world.prepareFor(operations);
}, 300_000);
afterAll(() => world.end());

async function leaksOf({ operations: names, showsWithout }: Pick<Mutant, 'operations' | 'showsWithout'>): Promise<readonly string[]> {
  const chosen = operations.filter(({ name }) => names.includes(name));
  expect(chosen.map(({ name }) => name).sort()).toEqual([...new Set(names)].sort());
  const few = { ...world, callers: world.callers.filter(({ name }) => CALLERS.includes(name)) };
  const report: Report = await runMatrix(few, chosen);
  expect(report.vacuous).toEqual([]);
  if (showsWithout) await runWithoutB(few, chosen, report);
  return report.leaks;
}

const named = (which: (mutant: Mutant) => boolean): [string, Mutant][] => MUTANTS.filter(which).map((mutant) => [mutant.name, mutant]);

describe('the isolation matrix', () => {
  it('finds nothing where nothing is planted, and the queries alone keep organizations apart, without row-level security', async () => {
    const slices = { operations: [...new Set(MUTANTS.flatMap((mutant) => mutant.operations))], showsWithout: true } as const;
    expect(await leaksOf(slices)).toEqual([]);
    const bind = await withoutRowLevelSecurity(world);
    try {
      expect(await leaksOf(slices)).toEqual([]);
    } finally {
      await bind();
    }
  }, 300_000);

  it.each(named(({ stoppedByDatabase }) => stoppedByDatabase))('%s: row-level security alone stops it; without it the matrix finds it', async (_, mutant) => {
    const planted = await mutant.plant(world);
    try {
      expect(await leaksOf(mutant)).toEqual([]);
      const executedUnderRowLevelSecurity = planted.executed();
      expect(executedUnderRowLevelSecurity).toBeGreaterThan(0);
      const bind = await withoutRowLevelSecurity(world);
      try {
        expect(await leaksOf(mutant)).not.toEqual([]);
      } finally {
        await bind();
      }
      expect(planted.executed()).toBeGreaterThan(executedUnderRowLevelSecurity);
      caught.add(mutant.name);
    } finally {
      await planted.remove();
      await world.state.restore();
    }
  }, 120_000);

  it.each(named(({ stoppedByDatabase }) => !stoppedByDatabase))('%s: found', async (_, mutant) => {
    const planted = await mutant.plant(world);
    try {
      expect(await leaksOf(mutant)).not.toEqual([]);
      expect(planted.executed()).toBeGreaterThan(0);
      caught.add(mutant.name);
    } finally {
      await planted.remove();
      await world.state.restore();
    }
  }, 120_000);

  it('has found every fault that was planted, of a dozen at least', ({ task }) => {
    task.meta.line = `isolation matrix: ${MUTANTS.length} mutants planted, ${caught.size} caught`;
    expect([...caught].sort()).toEqual(MUTANTS.map(({ name }) => name).sort());
    expect(MUTANTS.length).toBeGreaterThanOrEqual(12);
  });
});
