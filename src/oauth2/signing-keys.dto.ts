import { ApiProperty } from '@nestjs/swagger';
import { KEY_STATES, NOTICE_SECONDS, type KeyState } from '../access/signing-key-rotation.js';
import { Satisfies, type Rule } from '../kernel/http/rule.js';

const DAY_SECONDS = 24 * 3600;

const delay: Rule = (value) =>
  value === undefined || (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= DAY_SECONDS)
    ? null
    : { rule: 'range', message: `must be a whole number from 0 to ${DAY_SECONDS}` };

export class RotateSigningKey {
  @ApiProperty({
    required: false,
    default: NOTICE_SECONDS,
    minimum: 0,
    maximum: DAY_SECONDS,
    description: 'Seconds until the new key signs. Less than 300 may refuse good tokens for a moment, where somebody keeps the key set that long; 0 is for a key that has leaked.',
  })
  @Satisfies(delay)
  activate_in_seconds?: number;
}

export class SigningKeyResource {
  @ApiProperty({ example: 'b3xTq0cJb2mXw9ZA', description: 'The `kid` of what it signs.' }) id!: string;
  @ApiProperty({ example: 'ES256' }) algorithm!: string;
  @ApiProperty({ enum: KEY_STATES, description: 'All but `retired` are published in the key set.' }) state!: KeyState;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time', description: 'It signs from then on.' }) activates_at!: string;
  @ApiProperty({ type: String, nullable: true, format: 'date-time', description: 'From then on nothing it signed counts.' }) retired_at!: string | null;
}

export class SigningKeyPage {
  @ApiProperty({ type: [SigningKeyResource] }) data!: SigningKeyResource[];
  @ApiProperty({ type: String, nullable: true, description: 'Always null: there are few.' }) next_cursor!: string | null;
}
