import { ApiProperty } from '@nestjs/swagger';
import { pageLimit } from '../kernel/http/page-query.js';
import { plainText } from '../kernel/http/plain-text.js';
import { Satisfies } from '../kernel/http/rule.js';
import { TOKEN_KINDS, TOKEN_STATES, type TokenKind, type TokenMetadata, type TokenState } from '../tokens/token.js';
import { CURSOR_LENGTH_MAX } from './inventory-cursor.js';
import { InventoryFilter, oneOf } from './token-filter.dto.js';

export const SORTS = ['created_at', 'expires_at', 'last_used_at', 'name'] as const;
const DIRECTIONS = ['asc', 'desc'] as const;
const YES_NO = ['true', 'false'] as const;

export class TokenQuery extends InventoryFilter {
  @ApiProperty({ required: false, enum: SORTS, default: 'created_at', description: 'Tokens that never expire come after all others, those never used before all others.' })
  @Satisfies(oneOf(SORTS))
  sort?: (typeof SORTS)[number];

  @ApiProperty({ required: false, enum: DIRECTIONS, description: 'Where left out: `desc` for the times of creation and use, `asc` for the others.' })
  @Satisfies(oneOf(DIRECTIONS))
  direction?: (typeof DIRECTIONS)[number];

  @ApiProperty({ required: false, enum: YES_NO, description: 'Whether to count all that match, which takes longer the more there are.' })
  @Satisfies(oneOf(YES_NO))
  total?: (typeof YES_NO)[number];

  @ApiProperty({ required: false, type: Number, minimum: 1, maximum: 100, default: 50 })
  @Satisfies(pageLimit)
  limit?: string;

  @ApiProperty({ required: false, description: 'The next_cursor of the page before; it goes with the sort it was made with.' })
  @Satisfies(plainText({ min: 1, max: CURSOR_LENGTH_MAX, optional: true }))
  cursor?: string;
}

export class PendingRotationResource {
  @ApiProperty({ format: 'date-time' }) since!: string;
  @ApiProperty({ example: 'api_…k2Wd', description: 'Of the new secret.' }) hint!: string;
  @ApiProperty({ example: 3600, description: 'How long the earlier secrets work on from its first use.' }) overlap_seconds!: number;
}

/** A token of any kind: neither secret nor hash. */
export class InventoryToken {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ enum: TOKEN_KINDS }) kind!: TokenKind;
  @ApiProperty({ type: String, nullable: true }) name!: string | null;
  @ApiProperty({ type: String, nullable: true }) description!: string | null;
  @ApiProperty({ format: 'uuid' }) owner_id!: string;
  @ApiProperty({ type: [String], example: ['*'], description: 'Keys of its projects; * for all.' }) projects!: string[];
  @ApiProperty({ type: String, nullable: true }) environment!: string | null;
  @ApiProperty({ type: [String], nullable: true, description: 'Its own list; null where its owner or role alone bounds it.' }) permissions!: string[] | null;
  @ApiProperty({ type: [String], nullable: true, example: ['10.0.0.0/8'], description: 'Where alone it can be used from; null: its own list has no say.' }) allowed_addresses!: string[] | null;
  @ApiProperty({ type: 'object', additionalProperties: true, example: { team: 'payments' } }) metadata!: TokenMetadata;
  @ApiProperty({ enum: TOKEN_STATES }) state!: TokenState;
  @ApiProperty({ type: String, nullable: true, example: 'lifetime-too-long', description: 'Why a policy blocks it; null where it is not blocked.' }) block_reason!: string | null;
  @ApiProperty({ example: 'api_…x9Qz', description: 'Enough to recognise the secret, no more.' }) hint!: string;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'uuid', description: 'The person or machine that minted it.' }) created_by!: string;
  @ApiProperty({ type: String, nullable: true, format: 'uuid', description: 'The token it was minted with; it ends with that one.' }) parent_id!: string | null;
  @ApiProperty({ format: 'date-time' }) updated_at!: string;
  @ApiProperty({ type: String, nullable: true, format: 'date-time' }) expires_at!: string | null;
  @ApiProperty({ type: String, nullable: true, format: 'date-time' }) last_used_at!: string | null;
  @ApiProperty({ type: String, nullable: true }) last_used_ip!: string | null;
  @ApiProperty({ type: String, nullable: true }) last_used_user_agent!: string | null;
  @ApiProperty() use_count!: number;
  @ApiProperty({ type: PendingRotationResource, nullable: true, description: 'A new secret that nobody has used yet.' }) pending_rotation!: PendingRotationResource | null;
  @ApiProperty({ type: String, nullable: true, format: 'date-time', description: 'When a new secret was last used for the first time.' }) rotated_at!: string | null;
  @ApiProperty({ type: Number, nullable: true, example: 90 }) rotation_interval_days!: number | null;
  @ApiProperty({ type: String, nullable: true, format: 'date-time', description: 'When its secret should be another.' }) rotation_due_at!: string | null;
  @ApiProperty({ type: String, nullable: true, format: 'date-time', description: 'When a secret was presented that had been replaced; recorded at most once an hour.' }) reuse_detected_at!: string | null;
  @ApiProperty({ type: String, nullable: true, format: 'date-time' }) revoked_at!: string | null;
  @ApiProperty({ type: String, nullable: true, format: 'uuid' }) revoked_by!: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'unspecified' }) revocation_reason!: string | null;
  @ApiProperty({ description: 'A secret of it that was reported to have leaked still opens it: replace it.' }) exposed!: boolean;
  @ApiProperty({ type: String, nullable: true, format: 'date-time', description: 'When a secret of it was last reported to have leaked; each counts once.' }) exposed_at!: string | null;
  @ApiProperty({ type: String, nullable: true, format: 'uuid', description: 'The token whose end took it along.' }) revoked_with!: string | null;
}

export class InventoryPage {
  @ApiProperty({ type: [InventoryToken] }) data!: InventoryToken[];
  @ApiProperty({ type: String, nullable: true, description: 'Null on the last page. A page of a search by text may hold fewer than asked for, or none, and not be the last.' }) next_cursor!: string | null;
  @ApiProperty({ required: false, description: 'How many match in all; only where `total=true` asked for it.' }) total?: number;
}

export class LookupRequest {
  @ApiProperty({ example: 'api_EXAMPLEexampleEXAMPLEexampleEXAMPLEexampleEXAMPLE', description: 'The secret. It is neither stored nor logged.' })
  @Satisfies((value) => (typeof value === 'string' && value.length >= 1 && value.length <= 2_000 ? null : { rule: 'length', message: 'must be a string of 1 to 2000 characters' }))
  token!: string;
}
