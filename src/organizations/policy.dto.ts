import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';
import { flag } from '../kernel/http/flag-rule.js';
import { Satisfies, type Fault, type Rule } from '../kernel/http/rule.js';
import { parseAddressEntry } from '../tokens/address-list.js';
import { isPermissionPattern } from '../tokens/permission-pattern.js';
import { ON_EXPOSURE, ON_REUSE, type OnExposure, type OnReuse } from '../tokens/policy.js';
import { TOKEN_KINDS, type TokenKind } from '../tokens/token.js';

const HUNDRED_YEARS_SECONDS = 100 * 365 * 24 * 3600;
const IDLE_DAYS_MAX = 3_650;
const ACTIVE_TOKENS_MAX = 1_000_000;

type Lifetimes = Partial<Record<TokenKind, number | null>>;

/** Null lifts the bound, and what is left out is not judged. */
const optional = (rule: Rule): Rule => (value, body) => (value === undefined || value === null ? null : rule(value, body));

function whole(min: number, max: number): Rule {
  const message = `must be a whole number from ${min} to ${max}, or null`;
  return optional((value) => (Number.isInteger(value) && (value as number) >= min && (value as number) <= max ? null : { rule: 'whole', message }));
}

function listOf(what: string, max: number, isOne: (entry: string) => boolean): Rule {
  return optional((value): readonly Fault[] | Fault | null => {
    if (!Array.isArray(value)) return { rule: 'isArray', message: 'must be a list or null' };
    if (value.length > max) return { rule: 'length', message: `must have at most ${max} entries` };
    return value.flatMap((entry: unknown, place) => (typeof entry === 'string' && isOne(entry) ? [] : [{ at: [place], rule: 'entry', message: `must be ${what}` }]));
  });
}

const lifetimes: Rule = optional((value, body): readonly Fault[] | Fault | null => {
  if (typeof value !== 'object' || Array.isArray(value)) return { rule: 'isObject', message: 'must be an object of kinds, or null' };
  const seconds = whole(1, HUNDRED_YEARS_SECONDS);
  return Object.entries(value as object).flatMap(([kind, bound]): Fault[] => {
    if (!isKind(kind)) return [{ at: [kind], rule: 'kind', message: `must be one of ${TOKEN_KINDS.join(', ')}` }];
    const fault = seconds(bound, body) as Fault | null;
    return fault ? [{ ...fault, at: [kind] }] : [];
  });
});

function isKind(text: string): text is TokenKind {
  return (TOKEN_KINDS as readonly string[]).includes(text);
}

const LIFETIMES = {
  type: 'object',
  nullable: true,
  properties: Object.fromEntries(TOKEN_KINDS.map((kind) => [kind, { type: 'integer', minimum: 1, maximum: HUNDRED_YEARS_SECONDS, nullable: true }])),
  additionalProperties: false,
  example: { user: 7_776_000, organization: 31_536_000 },
  description: 'By kind, from when a token is minted to when it ends. A token that is not said when to end gets this life.',
} as ApiPropertyOptions;
const EXPIRY: ApiPropertyOptions = { example: true, description: 'A token that is not said when to end is refused.' };
const KINDS: ApiPropertyOptions = { enum: TOKEN_KINDS, isArray: true, nullable: true, example: ['user', 'machine-identity'] };
const ADDRESSES: ApiPropertyOptions = { type: [String], nullable: true, maxItems: 100, example: ['192.0.2.0/24', '2001:db8::/32'], description: 'Tokens are used from these addresses and CIDR ranges only.' };
const BOUND: ApiPropertyOptions = { example: false, description: 'A token works only where its own list of addresses, its machine identity’s, or a policy’s keeps some address out.' };
const ACTIVE: ApiPropertyOptions = { type: 'integer', nullable: true, minimum: 0, maximum: ACTIVE_TOKENS_MAX, example: 500, description: 'Tokens that are neither revoked nor expired. No more are minted beyond it; those that exist stay.' };
const IDLE: ApiPropertyOptions = { type: 'integer', nullable: true, minimum: 1, maximum: IDLE_DAYS_MAX, example: 90, description: 'A token that has not been used for so many days stops working and is revoked.' };
const PERMISSIONS: ApiPropertyOptions = { type: [String], nullable: true, maxItems: 200, example: ['invoice:*', 'token:read'], description: 'All that tokens may do; `*` stands for any one segment.' };
const REUSE = { enum: ON_REUSE, default: 'alarm', description: 'What follows when a secret is presented that a rotation has replaced: an alarm, or an alarm and the end of its token.' } as ApiPropertyOptions;
const EXPOSURE = {
  enum: ON_EXPOSURE,
  nullable: true,
  description: 'What follows when a secret is reported to have leaked: the end of its token, or a flag on it, of which its owners are told as well. Null: what the other policies say, and `revoke` where none says anything.',
} as ApiPropertyOptions;

const leftOut = (options: ApiPropertyOptions): ApiPropertyOptions => ({ ...options, required: false }) as ApiPropertyOptions;

export class ChangePolicy {
  @ApiProperty(leftOut(LIFETIMES))
  @Satisfies(lifetimes)
  longest_lifetime_seconds?: Lifetimes | null;

  @ApiProperty(leftOut(EXPIRY))
  @Satisfies(flag)
  expiry_required?: boolean;

  @ApiProperty(leftOut(KINDS))
  @Satisfies(listOf(`one of ${TOKEN_KINDS.join(', ')}`, 10, isKind))
  allowed_kinds?: TokenKind[] | null;

  @ApiProperty(leftOut(ADDRESSES))
  @Satisfies(listOf('an IPv4 or IPv6 address or CIDR range', 100, (entry) => parseAddressEntry(entry) !== null))
  allowed_addresses?: string[] | null;

  @ApiProperty(leftOut(BOUND))
  @Satisfies(flag)
  addresses_required?: boolean;

  @ApiProperty(leftOut(ACTIVE))
  @Satisfies(whole(0, ACTIVE_TOKENS_MAX))
  active_tokens_max?: number | null;

  @ApiProperty(leftOut(IDLE))
  @Satisfies(whole(1, IDLE_DAYS_MAX))
  idle_days?: number | null;

  @ApiProperty(leftOut(PERMISSIONS))
  @Satisfies(listOf('resource:action or resource:part:action, where * may stand for one whole segment', 200, isPermissionPattern))
  allowed_permissions?: string[] | null;

  @ApiProperty(leftOut(REUSE))
  @Satisfies((value) => (value === undefined || ON_REUSE.includes(value as OnReuse) ? null : { rule: 'isIn', message: `must be one of ${ON_REUSE.join(', ')}` }))
  on_reuse?: OnReuse;

  @ApiProperty(leftOut(EXPOSURE))
  @Satisfies(optional((value) => (ON_EXPOSURE.includes(value as OnExposure) ? null : { rule: 'isIn', message: `must be one of ${ON_EXPOSURE.join(', ')}, or null` })))
  on_exposure?: OnExposure | null;
}

/** Null everywhere: not limited. */
export class PolicyRules {
  @ApiProperty(LIFETIMES) longest_lifetime_seconds!: Record<TokenKind, number | null>;
  @ApiProperty(EXPIRY) expiry_required!: boolean;
  @ApiProperty(KINDS) allowed_kinds!: TokenKind[] | null;
  @ApiProperty(ADDRESSES) allowed_addresses!: string[] | null;
  @ApiProperty(BOUND) addresses_required!: boolean;
  @ApiProperty(ACTIVE) active_tokens_max!: number | null;
  @ApiProperty(IDLE) idle_days!: number | null;
  @ApiProperty(PERMISSIONS) allowed_permissions!: string[] | null;
  @ApiProperty(REUSE) on_reuse!: OnReuse;
  @ApiProperty(EXPOSURE) on_exposure!: OnExposure | null;
}

export class PolicyResource extends PolicyRules {
  @ApiProperty({ type: PolicyRules, description: 'What binds the organization’s tokens: this policy with those of the platform and of a parent organization.' })
  effective!: PolicyRules;

  @ApiProperty({ type: String, nullable: true, format: 'date-time' }) updated_at!: string | null;
}
