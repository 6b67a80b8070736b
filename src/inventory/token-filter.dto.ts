import { ApiProperty } from '@nestjs/swagger';
import { plainText } from '../kernel/http/plain-text.js';
import { faultsOf, Satisfies, type Rule } from '../kernel/http/rule.js';
import { isUuid } from '../kernel/ids.js';
import { Instant } from '../kernel/instant.js';
import { isPermissionKey } from '../tokens/permission-pattern.js';
import { EXPIRING_DAYS } from '../tokens/token-filter.js';
import { TOKEN_KINDS, type TokenKind } from '../tokens/token.js';

export const FILTER_STATES = ['active', 'expiring', 'unused', 'blocked', 'exposed', 'expired', 'revoked'] as const;
export type FilterState = (typeof FILTER_STATES)[number];

export function oneOf(values: readonly string[]): Rule {
  return (value) =>
    value === undefined || (typeof value === 'string' && values.includes(value)) ? null : { rule: 'isIn', message: `must be one of ${values.join(', ')}` };
}

const id: Rule = (value) => (value === undefined || (typeof value === 'string' && isUuid(value)) ? null : { rule: 'isUuid', message: 'must be an id' });

const permission: Rule = (value) =>
  value === undefined || (typeof value === 'string' && isPermissionKey(value)) ? null : { rule: 'permission', message: 'must be a permission such as invoice:read, without wildcards' };

export const time: Rule = (value) =>
  value === undefined || (typeof value === 'string' && Instant.parse(value) !== null) ? null : { rule: 'time', message: 'must be a time such as 2026-11-22T12:00:00Z' };

const text = (max: number): Rule => plainText({ min: 1, max, optional: true });

/** By the names under which the list and the revocation of many take them. */
const RULES = {
  kind: oneOf(TOKEN_KINDS),
  owner_id: id,
  created_by: id,
  project: text(255),
  environment: text(255),
  state: oneOf(FILTER_STATES),
  permission,
  created_after: time,
  created_before: time,
  expires_after: time,
  expires_before: time,
  last_used_after: time,
  last_used_before: time,
  unused_since: time,
  q: text(100),
} satisfies Record<keyof InventoryFilter, Rule>;

/** An object of the same members as `InventoryFilter` and no other: a misspelt one would let too much through. */
export const filterObject: Rule = (value) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { rule: 'isObject', message: 'must be an object' };
  return Object.entries(value).flatMap(([name, each]) => {
    const rule = Object.hasOwn(RULES, name) ? RULES[name as keyof typeof RULES] : unknownMember;
    return faultsOf(rule, each, value).map((fault) => ({ ...fault, at: [name, ...(fault.at ?? [])] }));
  });
};

const unknownMember: Rule = () => ({ rule: 'unknown', message: 'is no member of a filter' });

function ApiTime(description: string): PropertyDecorator {
  return ApiProperty({ required: false, format: 'date-time', description, example: '2026-11-22T12:00:00Z' });
}

/** Which tokens are meant: those of which all that is named here is true. */
export class InventoryFilter {
  @ApiProperty({ required: false, enum: TOKEN_KINDS })
  @Satisfies(RULES.kind)
  kind?: TokenKind;

  @ApiProperty({ required: false, format: 'uuid', description: 'Id of the person, project, machine or organization that owns it.' })
  @Satisfies(RULES.owner_id)
  owner_id?: string;

  @ApiProperty({ required: false, format: 'uuid', description: 'Id of the person, machine or other owner of a credential that minted it.' })
  @Satisfies(RULES.created_by)
  created_by?: string;

  @ApiProperty({ required: false, description: 'Key of a project it is limited to.', example: 'default' })
  @Satisfies(RULES.project)
  project?: string;

  @ApiProperty({ required: false, example: 'production' })
  @Satisfies(RULES.environment)
  environment?: string;

  @ApiProperty({ required: false, enum: FILTER_STATES, description: `\`expiring\` tokens are active ones that expire within ${EXPIRING_DAYS} days; \`unused\` ones are active and were never used; \`exposed\` ones are neither revoked nor expired, and a leaked secret opens them.` })
  @Satisfies(RULES.state)
  state?: FilterState;

  @ApiProperty({ required: false, example: 'project:read', description: 'What it may carry, wildcards resolved: in its own list and its role; where it has neither, what the role of its owner allows now.' })
  @Satisfies(RULES.permission)
  permission?: string;

  @ApiTime('Minted then or later.')
  @Satisfies(RULES.created_after)
  created_after?: string;

  @ApiTime('Minted before then.')
  @Satisfies(RULES.created_before)
  created_before?: string;

  @ApiTime('Expires then or later; not tokens that never expire.')
  @Satisfies(RULES.expires_after)
  expires_after?: string;

  @ApiTime('Expires, or expired, before then.')
  @Satisfies(RULES.expires_before)
  expires_before?: string;

  @ApiTime('Last used then or later.')
  @Satisfies(RULES.last_used_after)
  last_used_after?: string;

  @ApiTime('Used, and last before then.')
  @Satisfies(RULES.last_used_before)
  last_used_before?: string;

  @ApiTime('Neither used nor minted since.')
  @Satisfies(RULES.unused_since)
  unused_since?: string;

  @ApiProperty({ required: false, maxLength: 100, description: 'A part of its name or description, in any case.' })
  @Satisfies(RULES.q)
  q?: string;
}
