import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { theApp } from '../../support/app.js';
import { compare } from './comparison.js';
import { Gatehouse } from './gatehouse.js';
import { DOORS, World } from './model.js';
import { mint } from './rules.js';
import type { Real } from './step.js';
import { STEPS } from './steps.js';

/**
 * Each life has an organization of its own. `LIFE_RUNS=200 npx vitest run test/engine/life` lives more of them. A failure
 * prints its seed: `LIFE_SEED=… LIFE_SHRINK=1` looks for the shortest life that fails so, which takes minutes, and with
 * what that prints as `path` and `replayPath` in `LIFE_PATH` and `LIFE_REPLAY` it is lived again.
 */
const { LIFE_RUNS = '4', LIFE_SEED, LIFE_PATH, LIFE_REPLAY, LIFE_SHRINK } = process.env;
const RUNS = Number(LIFE_RUNS);
const STEPS_MAX = 160;

async function aLife(count: { steps: number }): Promise<{ model: World; real: Real }> {
  const [model, gatehouse] = [new World(), await Gatehouse.begin()];
  const ofMember = model.add({ door: 'fynn', owner: 'member', parent: null, createdBy: 'member', expiresAt: null, latestEnd: null, isNarrowed: false });
  await gatehouse.send(gatehouse.mintRequest({ door: 'fynn', machine: 'timed', expiresAt: null }, gatehouse.memberSession), { drawn: ofMember });
  for (const door of DOORS) {
    const wish = { door, machine: 'timed', expiresAt: null } as const;
    await gatehouse.send(gatehouse.mintRequest(wish, gatehouse.as), mint(model, wish, null));
  }
  return { model, real: { gatehouse, asked: [], count } };
}

describe('a token\'s whole life', () => {
  it('is as the model says, whatever is done to it, after every step and for every secret ever seen', async () => {
    const count = { steps: 0 };
    const lives = fc.noBias(fc.commands([...STEPS], { maxCommands: STEPS_MAX, size: 'max', replayPath: LIFE_REPLAY }));
    await fc.assert(
      fc.asyncProperty(lives, async (commands) => {
        const { model, real } = await aLife(count);
        await fc.asyncModelRun(() => ({ model, real }), commands);
        await compare(model, real.gatehouse, { intrudes: true });
        (await theApp()).clock.reset();
      }),
      {
        numRuns: RUNS,
        endOnFailure: LIFE_SHRINK === undefined,
        ...(LIFE_SEED && { seed: Number(LIFE_SEED) }),
        ...(LIFE_PATH && { path: LIFE_PATH }),
      },
    );
    expect(count.steps).toBeGreaterThan(0);
  }, 60_000 * Math.max(10, RUNS));
});
