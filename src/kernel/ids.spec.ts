import { expect, it } from 'vitest';
import { isUuid, newOrderedId } from './ids.js';
import { Instant } from './instant.js';

it('ordered ids are UUIDv7 of their millisecond, and no two are the same', () => {
  const at = Instant.fromEpochMillis(0x0192_f1a2_b3c4);
  const ids = Array.from({ length: 1000 }, () => newOrderedId(at));
  expect(new Set(ids).size).toBe(1000);
  for (const id of ids) expect(id).toMatch(/^0192f1a2-b3c4-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const later = newOrderedId(at.plusSeconds(0.001));
  for (const id of ids) expect(id < later && isUuid(id)).toBe(true);
});
