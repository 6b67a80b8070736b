import { ApiProperty } from '@nestjs/swagger';
import { plainText } from '../kernel/http/plain-text.js';
import { Satisfies, type Rule } from '../kernel/http/rule.js';
import { TOKEN_KINDS, type TokenKind, type TokenState } from '../tokens/token.js';

const STATES = ['active', 'expired', 'revoked'] as const;

function oneOf(values: readonly string[]): Rule {
  return (value) =>
    value === undefined || (typeof value === 'string' && values.includes(value)) ? null : { rule: 'isIn', message: `must be one of ${values.join(', ')}` };
}

const limit: Rule = (value) =>
  value === undefined || (typeof value === 'string' && /^([1-9]\d?|100)$/.test(value)) ? null : { rule: 'limit', message: 'must be a whole number from 1 to 100' };

export class TokenQuery {
  @ApiProperty({ required: false, enum: TOKEN_KINDS })
  @Satisfies(oneOf(TOKEN_KINDS))
  kind?: TokenKind;

  @ApiProperty({ required: false, description: 'Id of the person, project, machine or organization that owns it.' })
  @Satisfies(plainText({ min: 1, max: 64, optional: true }))
  owner_id?: string;

  @ApiProperty({ required: false, description: 'Key of a project it is limited to.', example: 'default' })
  @Satisfies(plainText({ min: 1, max: 255, optional: true }))
  project?: string;

  @ApiProperty({ required: false, example: 'production' })
  @Satisfies(plainText({ min: 1, max: 255, optional: true }))
  environment?: string;

  @ApiProperty({ required: false, enum: STATES })
  @Satisfies(oneOf(STATES))
  state?: TokenState;

  @ApiProperty({ required: false, type: Number, minimum: 1, maximum: 100, default: 50 })
  @Satisfies(limit)
  limit?: string;

  @ApiProperty({ required: false, description: 'The next_cursor of the page before.' })
  @Satisfies(plainText({ min: 1, max: 200, optional: true }))
  cursor?: string;
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
  @ApiProperty({ enum: STATES }) state!: TokenState;
  @ApiProperty({ example: 'api_…x9Qz', description: 'Enough to recognise the secret, no more.' }) hint!: string;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'uuid', description: 'The person or machine that minted it.' }) created_by!: string;
  @ApiProperty({ type: String, nullable: true, format: 'date-time' }) expires_at!: string | null;
  @ApiProperty({ type: String, nullable: true, format: 'date-time' }) last_used_at!: string | null;
  @ApiProperty({ type: String, nullable: true }) last_used_ip!: string | null;
  @ApiProperty() use_count!: number;
  @ApiProperty({ type: String, nullable: true, format: 'date-time' }) revoked_at!: string | null;
  @ApiProperty({ type: String, nullable: true, format: 'uuid' }) revoked_by!: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'unspecified' }) revocation_reason!: string | null;
}

export class InventoryPage {
  @ApiProperty({ type: [InventoryToken] }) data!: InventoryToken[];
  @ApiProperty({ type: String, nullable: true, description: 'Null on the last page.' }) next_cursor!: string | null;
}
