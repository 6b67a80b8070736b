import { ApiProperty } from '@nestjs/swagger';
import { Satisfies } from '../../kernel/http/rule.js';
import { text } from './zod-rules.js';

export class InfisicalPresentedToken {
  @ApiProperty({ example: 'idt_…', description: 'The secret of the token.' })
  @Satisfies(text())
  accessToken!: string;
}

/** The answer to a login or a renewal. */
export class InfisicalAccessToken {
  @ApiProperty({ example: 'idt_…', description: 'The secret; it is shown this once.' })
  accessToken!: string;

  @ApiProperty({ example: 3600, description: 'Seconds it lives; 0 only for one that never expires.' })
  expiresIn!: number;

  @ApiProperty({ example: 86400 })
  accessTokenMaxTTL!: number;

  @ApiProperty({ enum: ['Bearer'] })
  tokenType!: 'Bearer';
}
