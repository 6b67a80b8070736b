import { describe, expect, it } from 'vitest';
import { Instant } from '../instant.js';
import { matches, toEntityTag } from './entity-tag.js';

const then = Instant.fromEpochMicros(1_800_000_000_000_000n);
const tag = toEntityTag(then);

describe('If-Match', () => {
  it.each([undefined, '*', ' * ', tag, ` ${tag} `, `"other", ${tag}`, `"other",${tag},"more"`])('lets %j through', (header) => {
    expect(matches(header, then)).toBe(true);
  });

  it.each(['', '"other"', `W/${tag}`, tag.slice(1, -1), `${tag}x`, toEntityTag(Instant.fromEpochMicros(then.epochMicros + 1n))])('stops %j', (header) => {
    expect(matches(header, then)).toBe(false);
  });
});
