import type { Answer } from '../../support/call.js';
import type { Attack } from './attacks.js';
import { nameOf, placesOf, type Operation } from './operations.js';
import { kindAt } from './recipes.js';
import type { Input } from './requests.js';

const FILE = 'test/tenancy/matrix/recipes.ts';

/** What to write, and where, so that somebody gets a 2xx for the operation with their own things. */
export function explainMissingRecipe(operation: Operation, caller: string, input: Input, answer: Answer): string {
  const { path, query, header, body } = input;
  const parts = Object.entries({ path, query, header, body }).filter(([, part]) => part !== undefined && Object.keys(part as object).length > 0);
  const guessed = placesOf(operation).map((place) => `${nameOf(place)} is taken for ${kindAt(operation, place)}`);
  return [
    `${operation.name}: nobody gets a 2xx with their own things, so that refusing another's proves nothing.`,
    `  The ${caller} was answered ${answer.status} ${answer.text.slice(0, 400)}`,
    ...(guessed.length > 0 ? [`  ${guessed.join(', ')}.`, `  Where that is wrong, add to RULES in ${FILE}: [/ ${escaped(operation.path)} path\\.id$/, '…'],`] : []),
    `  Else add to RECIPES in ${FILE} what makes the request a good one; this was sent:`,
    `    '${operation.name}': { ${parts.map(([name, part]) => `${name}: ({ twin: { things }, fresh }) => (${JSON.stringify(part)})`).join(', ')} },`,
    `  things['…'][0] is what the organization has of a kind (twins.ts), fresh() a name nobody has used. Then: ${alone(operation)}`,
  ].join('\n');
}

/** What to write, and where, so that a place makes a difference. */
export function explainDeadPlace(operation: Operation, { name, places }: Attack, answer: Answer): string {
  const taken = places.map((place) => `'${nameOf(place)}': '${kindAt(operation, place)}'`).join(', ');
  return [
    `${operation.name}: one's own in ${name} is answered ${answer.status} ${answer.text.slice(0, 400)}`,
    `  Put there was { ${taken} }. Where that is wrong, add to RULES in ${FILE}, or to the operation's entry in RECIPES: kinds: { … },`,
    `  Where a place takes something beside it: beside: { '${nameOf(places[0] ?? ['body'])}': { … } }; where it contradicts others: exclusive: ['…']; where only certain words can stand: words: ['…']. Then: ${alone(operation)}`,
  ].join('\n');
}

const escaped = (text: string): string => text.replace(/\{\w+\}/g, '[^/]+').replaceAll('/', '\\/');
const alone = ({ name }: Operation): string => `MATRIX_ONLY='${name}' npm run test:isolation`;
