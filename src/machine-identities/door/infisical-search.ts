import type { Fault, Rule } from '../../kernel/http/rule.js';
import type { IdentityFilter, NameFilter, RoleFilter } from '../identity-queries.js';
import { toRoleKey } from './infisical-roles.js';
import { custom, isRecord, issue, text, wrongType } from './zod-rules.js';

const TERM_MAX = 255;
const TERM = /^[a-zA-Z0-9\s_-]+$/;
const OPERATORS = { name: ['$eq', '$contains', '$in'], role: ['$eq', '$in'] } as const;
type Attribute = keyof typeof OPERATORS;
type Place = readonly (string | number)[];

/** A filter that was found good. */
export interface SearchTerms {
  readonly name?: string | Partial<Record<'$eq' | '$contains', string> & Record<'$in', string[]>>;
  readonly role?: string | Partial<Record<'$eq', string> & Record<'$in', string[]>>;
  readonly $or?: readonly SearchTerms[];
}

/** `{ name?, role?, $or? }`: each a text, or `$eq`, `$in` and, for names, `$contains`. */
export const searchRule: Rule = (value) => {
  if (value === undefined) return null;
  if (!isRecord(value)) return wrongType('object', value);
  const { $or } = value;
  if ($or !== undefined && !Array.isArray($or)) return [...judgeTerms(value, []), wrongType('array', $or, ['$or'])];
  const branches = (($or ?? []) as unknown[]).flatMap((branch, index) =>
    isRecord(branch) ? judgeTerms(branch, ['$or', index]) : wrongType('object', branch, ['$or', index]));
  return [...judgeTerms(value, []), ...branches];
};

export function toFilter({ name, role }: SearchTerms): IdentityFilter {
  return { ...(name !== undefined && { name: toNameFilter(name) }), ...(role !== undefined && { roles: toRoleFilters(role) }) };
}

function judgeTerms(terms: Record<string, unknown>, at: Place): Fault[] {
  return (Object.keys(OPERATORS) as Attribute[]).flatMap((attribute) => judgeAttribute(attribute, terms[attribute], [...at, attribute]));
}

function judgeAttribute(attribute: Attribute, value: unknown, at: Place): Fault[] {
  const label = attribute === 'name' ? 'Name' : 'Role';
  if (value === undefined) return [];
  if (typeof value === 'string') return judgeTerm(label, value, at);
  if (!isRecord(value)) return [issue({ code: 'invalid_union', unionErrors: [], path: [], message: 'Invalid input' }, at)];
  return OPERATORS[attribute].flatMap((operator) => {
    const operand = value[operator];
    if (operand === undefined) return [];
    if (operator !== '$in') return judgeTerm(`${label} ${operator}`, operand, [...at, operator]);
    if (!Array.isArray(operand)) return [wrongType('array', operand, [...at, operator])];
    return (operand as unknown[]).flatMap((each, index) => judgeTerm(`${label} ${operator}`, each, [...at, operator, index]));
  });
}

function judgeTerm(label: string, value: unknown, at: Place): Fault[] {
  const fault = text({ max: TERM_MAX }, at)(value, {}) as Fault | null;
  if (fault) return [fault];
  return TERM.test(value as string) ? [] : [custom(`${label} can only contain alpha-numeric,spaces,underscore,hyphen`, at)];
}

function toNameFilter(name: NonNullable<SearchTerms['name']>): NameFilter {
  if (typeof name === 'string') return { equals: name };
  const { $eq, $contains, $in } = name;
  return { ...($eq !== undefined && { equals: $eq }), ...($contains !== undefined && { contains: $contains }), ...($in && { oneOf: $in }) };
}

function toRoleFilters(role: NonNullable<SearchTerms['role']>): RoleFilter[] {
  if (typeof role === 'string') return [toRoleFilter([role])];
  const { $eq, $in } = role;
  return [...($eq === undefined ? [] : [toRoleFilter([$eq])]), ...($in ? [toRoleFilter($in)] : [])];
}

function toRoleFilter(slugs: readonly string[]): RoleFilter {
  const keys = slugs.map(toRoleKey);
  return { keys: keys.filter((key) => key !== null), none: keys.includes(null), custom: slugs.includes('custom') };
}
