import { ApiProperty } from '@nestjs/swagger';
import { name } from '../kernel/http/name-rules.js';
import { Satisfies, type Rule } from '../kernel/http/rule.js';
import { Instant } from '../kernel/instant.js';
import { ASSERTION_ALGORITHMS } from './client-assertions.js';

const jwk: Rule = (value) => (typeof value === 'object' && value !== null && !Array.isArray(value) ? null : { rule: 'isObject', message: 'must be an object, a public key as of RFC 7517', value: undefined });

const instant: Rule = (value) =>
  value === undefined || value === null || (typeof value === 'string' && Instant.parse(value) !== null) ? null : { rule: 'date-time', message: 'must be a time as of RFC 3339, or null' };

export class AddClientKey {
  @ApiProperty({ example: 'laptop of the build farm', maxLength: 100 })
  @Satisfies(name())
  name!: string;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    example: { kty: 'EC', crv: 'P-256', x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU', y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0' },
    description: `The public half only. Algorithms: ${ASSERTION_ALGORITHMS.join(', ')}.`,
  })
  @Satisfies(jwk)
  jwk!: Record<string, unknown>;

  @ApiProperty({ type: String, required: false, nullable: true, format: 'date-time', default: null })
  @Satisfies(instant)
  expires_at?: string | null;
}

export class ClientKeyResource {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ format: 'uuid', description: 'What the client calls itself at `POST /oauth2/token`: `iss` and `sub` of its assertions.' }) client_id!: string;
  @ApiProperty({ example: 'laptop of the build farm' }) name!: string;
  @ApiProperty({ example: 'oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U', description: 'RFC 7638.' }) thumbprint!: string;
  @ApiProperty({ enum: ASSERTION_ALGORITHMS }) algorithm!: string;
  @ApiProperty({ type: String, nullable: true, format: 'date-time' }) expires_at!: string | null;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ type: String, nullable: true, format: 'date-time' }) last_used_at!: string | null;
}

export class ClientKeyPage {
  @ApiProperty({ type: [ClientKeyResource] }) data!: ClientKeyResource[];
  @ApiProperty({ type: String, nullable: true, description: 'Always null: there are ten at most.' }) next_cursor!: string | null;
}
