/** What came of one item; a promise where that is not known with the others. */
export type Outcome<Result> = Result | Promise<Result>;

export interface GroupingLimits {
  readonly itemsMax: number;
  readonly underWayMax: number;
  /** One that takes longer does not hold up what comes after it. */
  readonly slowAfterMs: number;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (outcome: Outcome<Result>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Does in one go what is asked for while as much as may be is under way, in its order. Whoever comes alone does not wait:
 * groups grow by load, not by time.
 */
export class Grouping<Item, Result> {
  private waiting: Waiting<Item, Result>[] = [];
  private underWay = 0;

  /** The work answers for each item in their order; where it fails, it has failed for all of them. */
  constructor(
    private readonly work: (items: readonly Item[]) => Promise<readonly Outcome<Result>[]>,
    private readonly limits: GroupingLimits,
  ) {}

  /** Nothing is waiting or under way. */
  get isIdle(): boolean {
    return this.waiting.length === 0 && this.underWay === 0;
  }

  do(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      // Those that arrive in the same turn go together.
      if (this.waiting.push({ item, resolve, reject }) === 1) setImmediate(() => this.begin());
    });
  }

  private begin(): void {
    while (this.waiting.length > 0 && this.underWay < this.limits.underWayMax) void this.run(this.waiting.splice(0, this.limits.itemsMax));
  }

  private async run(group: readonly Waiting<Item, Result>[]): Promise<void> {
    this.underWay += 1;
    let counts = true;
    const leave = (): void => {
      if (!counts) return;
      counts = false;
      this.underWay -= 1;
      this.begin();
    };
    const timer = setTimeout(leave, this.limits.slowAfterMs);
    try {
      const outcomes = await this.work(group.map(({ item }) => item));
      if (outcomes.length !== group.length) throw new Error('a group was not answered item by item');
      // The next group goes first: a pool sends it within this tick, and who hears of this one may keep the process busy for long.
      leave();
      process.nextTick(() => {
        for (const [place, { resolve }] of group.entries()) resolve(outcomes[place]);
      });
    } catch (error) {
      for (const { reject } of group) reject(error);
    } finally {
      clearTimeout(timer);
      leave();
    }
  }
}
