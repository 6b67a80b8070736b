import { ApiProperty } from '@nestjs/swagger';
import { OptionalBody } from '../kernel/http/optional-body.js';
import { Satisfies } from '../kernel/http/rule.js';
import { OVERLAP_SECONDS_DEFAULT, OVERLAP_SECONDS_MAX } from '../tokens/token-rotation.js';
import { InventoryToken } from './inventory.dto.js';

@OptionalBody()
export class RotateToken {
  @ApiProperty({
    required: false,
    type: 'integer',
    minimum: 0,
    maximum: OVERLAP_SECONDS_MAX,
    default: OVERLAP_SECONDS_DEFAULT,
    description: 'How long the secrets in use work on from the first use of the new one; 0 ends them with it.',
  })
  @Satisfies((value) =>
    value === undefined || (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= OVERLAP_SECONDS_MAX)
      ? null
      : { rule: 'overlap', message: `must be a whole number of seconds from 0 to ${OVERLAP_SECONDS_MAX}` })
  overlap_seconds?: number;
}

export class RotatedToken extends InventoryToken {
  @ApiProperty({ example: 'api_…', description: 'The new secret, shown this once.' })
  secret!: string;
}
