import { difference, shapeOf } from './comparison.js';
import type { Report } from './matrix.js';
import { waysOf, type Operation } from './operations.js';
import { recipeOf } from './recipes.js';
import { ownInput, send, textsOf } from './requests.js';
import type { World } from './world.js';

/**
 * Reads everything that callers of A can read, with B there and with B gone as if it had never been: answers that differ
 * tell of B, be it by a total, an order or the end of a page. Tells how many were compared.
 */
export async function runWithoutB(world: World, operations: readonly Operation[], report: Report): Promise<number> {
  const { a, b, state } = world;
  const reads = operations.filter(({ name, method }) => method === 'GET' && !recipeOf({ name } as Operation).changes).flatMap((operation) => {
    const own = ownInput(operation, a);
    const ways = [...waysOf(operation), ...(operation.parameters.some(({ name }) => name === 'limit') ? [['limit', '1'] as const] : [])];
    const inputs = [own, ...ways.map(([name, word]) => ({ ...own, query: { ...own.query, [name]: word } }))];
    return inputs.flatMap((input) => world.callers.filter(({ barred }) => !barred).map((caller) => ({ operation, input, caller })));
  });
  const readAll = async (): Promise<readonly string[]> => {
    const shapes: string[] = [];
    for (const { operation, input, caller } of reads) {
      const answer = await send(operation, input, caller.authorizationFor(operation.permission));
      shapes.push(shapeOf(answer, textsOf(input)));
    }
    return shapes;
  };
  // Who was refused is on record, and counted.
  await state.restore();
  const withB = await readAll();
  await state.restore();
  await state.erase([b.tenant.id, b.sub.id], b.people.map(({ id }) => id));
  const withoutB = await readAll();
  await state.restore();
  for (const [index, { operation, caller }] of reads.entries()) {
    const [one, other] = [withB[index] ?? '', withoutB[index] ?? ''];
    if (one !== other) report.leaks.push(`${operation.name}: ${caller.name}: the answer depends on whether B is there: ${difference(one, other)}`);
  }
  report.requests += 2 * reads.length;
  return reads.length;
}
