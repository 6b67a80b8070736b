import { ApiProperty } from '@nestjs/swagger';
import { isStorable } from '../../kernel/http/plain-text.js';
import { Satisfies } from '../../kernel/http/rule.js';
import { dateTime, text } from './unleash-rules.js';

export class UnleashCreatePersonalToken {
  @ApiProperty({ type: String, example: 'laptop', description: 'No two of a person are described alike.' })
  @Satisfies(
    text('description', {
      required: true,
      judge: (read) => {
        if (read === '') return { rule: 'blank', message: 'PAT description cannot be empty.' };
        return isStorable(read) ? null : { rule: 'unstorable', message: '"description" contains characters that cannot be stored.' };
      },
    }),
  )
  description!: unknown;

  @ApiProperty({ type: String, format: 'date-time', example: '2031-01-01T00:00:00Z' })
  @Satisfies(text('expiresAt', { required: true, judge: dateTime('expiresAt') }))
  expiresAt!: unknown;
}

export class UnleashPersonalToken {
  @ApiProperty({ example: 1, description: 'Counts the tokens of the person from 1.' }) id!: number;
  @ApiProperty({ example: 'laptop' }) description!: string;
  @ApiProperty({ type: String, nullable: true, format: 'date-time', example: '2031-01-01T00:00:00.000Z' }) expiresAt!: string | null;
  @ApiProperty({ example: 839201155, description: 'A number that stands for the person.' }) userId!: number;
  @ApiProperty({ format: 'date-time', example: '2026-11-22T00:03:20.759Z' }) createdAt!: string;
  @ApiProperty({ type: String, nullable: true, format: 'date-time', description: 'When it was last used.' }) seenAt!: string | null;
}

export class UnleashCreatedPersonalToken extends UnleashPersonalToken {
  @ApiProperty({ example: 'user:…', description: 'The secret; it is shown this once.' }) secret!: string;
}

export class UnleashPersonalTokens {
  @ApiProperty({ type: [UnleashPersonalToken] }) pats!: UnleashPersonalToken[];
}
