import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Grouping } from './grouping.js';

/** Work that waits until it is let go, with what it was given. */
function heldWork() {
  const groups: { readonly items: readonly number[]; readonly end: (error?: Error) => void }[] = [];
  const work = (items: readonly number[]): Promise<readonly number[]> =>
    new Promise((resolve, reject) => {
      groups.push({ items, end: (error) => (error ? reject(error) : resolve(items.map((item) => item * 10))) });
    });
  return { groups, work };
}

describe('Grouping', () => {
  it('does what comes while all that may be is under way in one go, in its order, and answers each with its own', async () => {
    const { groups, work } = heldWork();
    const grouping = new Grouping(work, { itemsMax: 3, underWayMax: 1, slowAfterMs: 60_000 });
    const first = grouping.do(1);
    await nextTurn();
    const others = [2, 3, 4, 5].map((item) => grouping.do(item));
    await nextTurn();
    expect(groups.map(({ items }) => items)).toEqual([[1]]);
    for (const place of [0, 1, 2]) {
      groups[place]?.end();
      await nextTurn();
    }
    expect(groups.map(({ items }) => items)).toEqual([[1], [2, 3, 4], [5]]);
    expect(await Promise.all([first, ...others])).toEqual([10, 20, 30, 40, 50]);
  });

  it('has begun with the next group before anybody hears of the one before', async () => {
    const { groups, work } = heldWork();
    const aTickLater = (items: readonly number[]) => new Promise<readonly number[]>((resolve) => process.nextTick(() => resolve(work(items))));
    const grouping = new Grouping(aTickLater, { itemsMax: 1, underWayMax: 1, slowAfterMs: 60_000 });
    const begunWhenHeard = grouping.do(1).then(() => groups.length);
    void grouping.do(2);
    await nextTurn();
    groups[0]?.end();
    expect(await begunWhenHeard).toBe(2);
    groups[1]?.end();
  });

  it('fails a group as a whole, and goes on with the next', async () => {
    const { groups, work } = heldWork();
    const grouping = new Grouping(work, { itemsMax: 2, underWayMax: 1, slowAfterMs: 60_000 });
    const answers = Promise.allSettled([1, 2, 3].map((item) => grouping.do(item)));
    await nextTurn();
    groups[0]?.end(new Error('lost'));
    await nextTurn();
    groups[1]?.end();
    expect((await answers).map((answer) => (answer.status === 'fulfilled' ? answer.value : 'failed'))).toEqual(['failed', 'failed', 30]);
  });

  it('does not wait for a group that takes too long', async () => {
    const { groups, work } = heldWork();
    const grouping = new Grouping(work, { itemsMax: 2, underWayMax: 1, slowAfterMs: 1 });
    const slow = grouping.do(1);
    await nextTurn();
    const next = grouping.do(2);
    while (groups.length < 2) await nextTurn();
    groups[1]?.end();
    expect(await next).toBe(20);
    groups[0]?.end();
    expect(await slow).toBe(10);
  });

  it('lets go on what is not waited for together', async () => {
    const late = Promise.resolve(7);
    const grouping = new Grouping<number, number>((items) => Promise.resolve(items.map((item) => (item === 2 ? late : item))), { itemsMax: 9, underWayMax: 1, slowAfterMs: 60_000 });
    expect(await Promise.all([1, 2].map((item) => grouping.do(item)))).toEqual([1, 7]);
  });
});
