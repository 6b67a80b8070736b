import { nameOf, placesOf, waysOf, type Operation, type Place } from './operations.js';
import { kindAt, recipeOf } from './recipes.js';
import { put, type Input } from './requests.js';
import type { Kind } from './twins.js';

/** What to put into a place; the kind of thing, where it is not what stands there by the document. */
export type ValueAt = (place: Place, kind?: Kind) => string;

/** A place, or several at once, where what is another's is put. */
export interface Attack {
  readonly name: string;
  readonly places: readonly Place[];
  /** Whether somebody must get a 2xx for it with their own, or it would prove nothing; a path is proven by any request. */
  readonly needsProof: boolean;
  readonly on: (input: Input, value: ValueAt) => Input;
}

/** Headers and members by which somebody could claim to be in another organization, whether the document knows them or not. */
const CLAIMED_HEADERS = ['x-organization', 'x-organization-id', 'x-org-id', 'x-tenant', 'x-tenant-id', 'x-user-id', 'x-forwarded-user'];
const CLAIMED_MEMBERS = ['organization_id', 'organizationId', 'orgId', 'tenant_id', 'user_id', 'userId', 'created_by', 'id'];
const CLAIMS: Readonly<Record<string, Kind>> = { user_id: 'user', userId: 'user', created_by: 'user', id: 'token', 'x-user-id': 'user', 'x-forwarded-user': 'email' };

/** What is no tenant's. */
const NOBODYS: readonly Kind[] = ['password', 'address', 'permission', 'permission-cursor'];

/**
 * Each place where an id can stand by itself, all of them together, the same in every way the operation can be asked, all
 * free texts together, and claims that nobody asked for.
 */
export function attacksOn(operation: Operation): readonly Attack[] {
  const { proves = [], proveTogether, beside = {}, exclusive = [], words = [] } = recipeOf(operation);
  const places = placesOf(operation).filter((place) => ![...proves, ...words].includes(nameOf(place)));
  const isText = (place: Place): boolean => kindAt(operation, place) === 'text' && place[0] !== 'path';
  const at = (name: string, which: readonly Place[], way?: readonly [string, string]): Attack => ({
    name,
    places: which,
    needsProof: way !== undefined || which.some(([part]) => part !== 'path'),
    on: (input, value) => which.reduce((each, place) => {
      const extra = beside[nameOf(place)];
      return put(extra ? { ...each, body: { ...(each.body as object), ...extra } } : each, place, value(place));
    }, claimInHeaders(way ? { ...input, query: { ...input.query, [way[0]]: way[1] } } : input, value)),
  });
  const together = (which: readonly Place[]): readonly Place[] => which.filter((place) => !exclusive.includes(nameOf(place)));
  const ids = places.filter((place) => !isText(place) && !NOBODYS.includes(kindAt(operation, place)));
  const texts = places.filter(isText);
  return [
    ...ids.map((place) => at(nameOf(place), [place])),
    ...(ids.length > 1 && !proveTogether ? [at('all ids at once', together(ids))] : []),
    ...(together(texts).length > 0 ? [at('all texts at once', together(texts))] : []),
    ...texts.filter((place) => exclusive.includes(nameOf(place))).map((place) => at(nameOf(place), [place])),
    // Where a list goes on is said of one order of it.
    ...waysOf(operation).map((way) => at(`${way.join('=')} and all ids at once`, together(ids).filter((place) => kindAt(operation, place) !== 'cursor'), way)),
    {
      name: 'claims to be in another organization',
      places: [],
      needsProof: false,
      on: (input, value) => {
        const claimed = claimIn(operation.body ? 'body' : 'query', claimInHeaders(input, value), value);
        // Here alone: a key that is sent with two requests makes the second a mistake, whatever else it asks for.
        return { ...claimed, header: { ...claimed.header, 'idempotency-key': value(['header', 'idempotency-key'], 'idempotency-key') } };
      },
    },
  ];
}

function claimInHeaders(input: Input, value: ValueAt): Input {
  const claimed = CLAIMED_HEADERS.map((name) => [name, value(['header', name], CLAIMS[name] ?? 'organization')]);
  return { ...input, header: { ...Object.fromEntries(claimed), ...input.header } };
}

function claimIn(part: 'body' | 'query', input: Input, value: ValueAt): Input {
  const claimed = CLAIMED_MEMBERS.map((name) => [name, value([part, name], CLAIMS[name] ?? 'organization')]);
  return { ...input, [part]: { ...Object.fromEntries(claimed), ...(input[part] as object) } };
}
