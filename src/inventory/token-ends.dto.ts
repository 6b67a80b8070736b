import { ApiProperty } from '@nestjs/swagger';
import { flag } from '../kernel/http/flag-rule.js';
import { NothingElse } from '../kernel/http/nothing-else.js';
import { OptionalBody } from '../kernel/http/optional-body.js';
import { Satisfies, type Rule } from '../kernel/http/rule.js';
import { REVOCATION_REASONS, type RevocationReason } from '../tokens/revocation-reason.js';
import { BULK_MAX } from '../tokens/bulk-revocation.js';
import { filterObject, InventoryFilter } from './token-filter.dto.js';

/** As we spell them and as RFC 5280 does: `key_compromise` and `keyCompromise`. */
const SPELLINGS: ReadonlyMap<string, RevocationReason> = new Map(
  REVOCATION_REASONS.flatMap((reason) => [[reason, reason], [reason.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()), reason]] as const),
);

export function toReason(text: string | undefined): RevocationReason {
  return SPELLINGS.get(text ?? 'unspecified') ?? 'unspecified';
}

const reason: Rule = (value) =>
  value === undefined || (typeof value === 'string' && SPELLINGS.has(value)) ? null : { rule: 'isIn', message: `must be one of ${REVOCATION_REASONS.join(', ')}` };

const REASON = {
  required: false,
  enum: REVOCATION_REASONS,
  default: 'unspecified',
  description: 'Why, in the words of RFC 5280 section 5.3.1, also as they are spelt there. An end by `key_compromise` is final.',
};

@NothingElse()
export class EndQuery {
  @ApiProperty(REASON)
  @Satisfies(reason)
  reason?: string;
}

@OptionalBody()
export class EndRequest {
  @ApiProperty(REASON)
  @Satisfies(reason)
  reason?: string;
}

export class BulkRevocationBody {
  @ApiProperty({ type: InventoryFilter, description: 'Which tokens, of those that are not revoked. The names and values of the list’s filters.', example: { unused_since: '2026-05-01T00:00:00Z' } })
  @Satisfies(filterObject)
  filter!: InventoryFilter;

  @ApiProperty(REASON)
  @Satisfies(reason)
  reason?: string;

  @ApiProperty({ required: false, default: false, description: 'Ends nothing, only says how many it would be.' })
  @Satisfies(flag)
  dry_run?: boolean;

  @ApiProperty({ required: false, default: false, description: 'Must be true where the filter lets through every token that there is, or every one that works.' })
  @Satisfies(flag)
  confirm?: boolean;
}

export class BulkRevocationOutcome {
  @ApiProperty({ example: 12, description: 'How many tokens that were not revoked the filter lets through.' }) matched!: number;
  @ApiProperty({ example: 12, description: `How many of these ended now; at most ${BULK_MAX} in one call: where it is fewer than matched, call again.` }) revoked!: number;
  @ApiProperty({ example: 0, description: 'How many more end with them, as they were minted with them.' }) cascaded!: number;
}
