import fc from 'fast-check';
import { compare } from './comparison.js';
import type { Gatehouse } from './gatehouse.js';
import { DOORS, type Micros, type Secret, type Token, type World } from './model.js';
import type { Asked } from './retries.js';
import * as rules from './rules.js';

/** The service, the requests that can be repeated, and how many steps there were. */
export interface Real {
  readonly gatehouse: Gatehouse;
  readonly asked: Asked[];
  readonly count: { steps: number };
}

export type Command = fc.AsyncCommand<World, Real>;
type Act<Args> = (world: World, real: Real, args: Args) => Promise<void>;

class Step<Args> implements Command {
  constructor(
    private readonly name: string,
    private readonly args: Args,
    private readonly act: Act<Args>,
  ) {}

  check(): boolean {
    return true;
  }

  async run(world: World, real: Real): Promise<void> {
    real.count.steps += 1;
    await replenish(world, real.gatehouse);
    await this.act(world, real, this.args);
    await compare(world, real.gatehouse);
  }

  toString(): string {
    return `${this.name}(${fc.stringify(this.args)})`;
  }
}

export function step<Args>(name: string, args: fc.Arbitrary<Args>, act: Act<Args>): fc.Arbitrary<Command> {
  return args.map((chosen) => new Step(name, chosen, act));
}

/** Counts from the youngest, over and over. */
export const which = fc.nat({ max: 14 });
export function pick<T>(list: readonly T[], index: number): T | undefined {
  return list.length === 0 ? undefined : list[list.length - 1 - (index % list.length)];
}

/** Lives are not to be spent among the dead. */
const USABLE_MIN = 5;

async function replenish(world: World, gatehouse: Gatehouse): Promise<void> {
  if (world.tokens.filter((token) => world.isUsable(token)).length >= USABLE_MIN) return;
  const at = DOORS[world.tokens.length % DOORS.length] ?? 'fynn';
  const asked = { door: at, machine: world.tokens.length % 2 === 0 ? 'timed' : 'counted', expiresAt: null } as const;
  await gatehouse.send(gatehouse.mintRequest(asked, gatehouse.as), rules.mint(world, asked, null));
}

export async function tick(world: World, { gatehouse }: Real, to: Micros): Promise<void> {
  world.now = to;
  await gatehouse.moveTo(to);
}

/** To a limit that is still to come, or just before it; null: it stays now. */
export const edge = fc.option(fc.constantFrom<Micros>(-1, 0, 0), { freq: 2 });
export async function tickTo(world: World, real: Real, limit: Micros, off: Micros | null): Promise<void> {
  if (off !== null && limit + off > world.now) await tick(world, real, limit + off);
}

/** Mostly one that works, as far as there is one. */
export async function onToken(world: World, index: number, act: (token: Token) => Promise<void>, isMeant: (token: Token) => boolean = () => true): Promise<void> {
  const meant = world.tokens.filter(isMeant);
  const usable = meant.filter((each) => world.isUsable(each));
  const token = pick(index % 5 > 0 && usable.length > 0 ? usable : meant, index);
  if (token) await act(token);
}

export async function onSecret(world: World, index: number, act: (secret: Secret) => Promise<void>, isMeant: (secret: Secret) => boolean = () => true): Promise<void> {
  const meant = world.secrets.filter(isMeant);
  const live = meant.filter((each) => world.verdictOf(each) === 'live');
  const secret = pick(index % 5 > 0 && live.length > 0 ? live : meant, index);
  if (secret) await act(secret);
}
