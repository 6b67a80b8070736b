import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DAY, DOORS, HOUR, MINUTE, World, type Micros, type Secret, type Token } from './model.js';
import * as rules from './rules.js';

const SEED = 1;
const STEPS = 12_000;
/** A life is long enough to reach everything, and short enough to begin anew often. */
const LIFE = 60;

type Act = (world: World, token: Token, secret: Secret, number: number) => unknown;

const wait = (length: Micros): Act => (world) => (world.now += length);
const ACTS: readonly Act[] = [
  (world, _, __, number) => rules.mint(world, { door: DOORS[number % DOORS.length] ?? 'fynn', machine: 'timed', expiresAt: number % 3 === 0 ? world.now + HOUR : null }, null),
  (world) => rules.mint(world, { door: 'flipt', machine: 'timed', expiresAt: world.now + HOUR }, parentOf(world).secrets[0]),
  (world, token, _, number) => rules.rotate(world, token, number % 2 === 0 ? 0 : HOUR),
  (world, _, secret) => world.present(secret),
  (world, _, secret) => secret.token.owner === 'timed' && rules.renew(world, secret),
  (world, token) => token.door === 'unleash' && rules.changeExpiry(world, token, world.now + HOUR),
  (world, token) => rules.revoke(world, token, 'superseded'),
  (world) => rules.revoke(world, parentOf(world), 'superseded'),
  (world) => rules.restore(world, parentOf(world)),
  (world, token) => rules.restore(world, token),
  (world, _, __, number) => (world.policy = { forbidden: (['flipt', 'unleash', null] as const)[number % 3] ?? null, expiryRequired: false, idle: number % 5 === 0 ? DAY : null, reuseEnds: false }),
  (world) => rules.upkeep(world),
  wait(MINUTE), wait(40 * MINUTE), wait(HOUR), wait(31 * DAY),
];

/** The one that others are minted with. */
function parentOf({ tokens }: World): Token {
  return tokens[0];
}

/** Every change of state that the model makes in a long random walk. */
function walked(): { tokens: Set<string>; secrets: Set<string> } {
  const moves = { tokens: new Set<string>(), secrets: new Set<string>() };
  const choices = fc.sample(fc.tuple(fc.nat({ max: ACTS.length - 1 }), fc.nat({ max: 10_000 })), { seed: SEED, numRuns: STEPS });
  let world = new World();
  choices.forEach(([act, number], index) => {
    if (index % LIFE === 0) world = aWorld();
    const [tokens, secrets] = [statesOf(world.tokens, (each) => world.stateOf(each)), statesOf(world.secrets, (each) => world.stateOfSecret(each))];
    ACTS[act]?.(world, chosen(world.tokens, number), chosen(world.secrets, number), number);
    for (const token of world.tokens) add(moves.tokens, tokens.get(token), world.stateOf(token));
    for (const secret of world.secrets) add(moves.secrets, secrets.get(secret), world.stateOfSecret(secret));
  });
  return moves;
}

function aWorld(): World {
  const world = new World();
  for (const door of DOORS) rules.mint(world, { door, machine: 'timed', expiresAt: null }, null);
  return world;
}

function chosen<T>(list: readonly T[], number: number): T {
  return list[number % list.length];
}

function statesOf<T, State>(things: readonly T[], stateOf: (thing: T) => State): Map<T, State> {
  return new Map(things.map((thing) => [thing, stateOf(thing)]));
}

/** What is not there yet, or is forgotten, is the diagram's beginning and end. */
function add(moves: Set<string>, before: string | undefined, after: string): void {
  if (before !== after) moves.add(`${before ?? '[*]'} --> ${after === 'forgotten' ? '[*]' : after}`);
}

async function drawn(document: string): Promise<string[]> {
  const text = await readFile(new URL(`../../../docs/${document}`, import.meta.url), 'utf8');
  return [...text.matchAll(/^ {2}(\S+ --> \S+): /gm)].map(([, move]) => move).sort();
}

describe('the diagram of', () => {
  it('a token\'s life shows every change of state there is, and no other', async () => {
    // The model's lives end before anything is forgotten.
    const lived = (await drawn('lifecycle.md')).filter((move) => !move.endsWith(' --> [*]'));
    expect(lived).toEqual([...walked().tokens].sort());
  });

  it('a secret\'s life shows every change of state there is, and no other', async () => {
    expect(await drawn('rotation.md')).toEqual([...walked().secrets].sort());
  });
});
