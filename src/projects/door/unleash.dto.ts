import { ApiProperty } from '@nestjs/swagger';
import { Satisfies } from '../../kernel/http/rule.js';
import { dateTime, filled, matching, projectKeys, text, texts } from './unleash-rules.js';

const TYPE = /^([Cc][Ll][Ii][Ee][Nn][Tt]|[Bb][Aa][Cc][Kk][Ee][Nn][Dd]|[Ff][Rr][Oo][Nn][Tt][Ee][Nn][Dd])$/;
const TYPES = ['client', 'backend', 'frontend'];

const type = {
  type: String,
  example: 'backend',
  description: 'One of "client" (deprecated), "backend" (preferred over "client") or "frontend"; not case sensitive.',
};
const environment = {
  type: String,
  required: false,
  default: 'default',
  example: 'development',
  description: 'The environment that the token should be valid for; it must exist.',
};
const expiresAt = {
  type: String,
  required: false,
  format: 'date-time',
  example: '2031-01-01T00:00:00Z',
  description: 'When the token should expire, in ISO 8601 format; a time gone by is accepted.',
};
const tokenName = { type: String, example: 'checkout-service', description: 'A name for this particular token; need not be unique.' };

/** Properties stand in the order in which Unleash judges them. */
export class UnleashCreateProjectToken {
  @ApiProperty(type)
  // A missing name is told before a missing type.
  @Satisfies(text('type', { required: (body) => body['tokenName'] !== undefined, judge: matching('type', TYPE) }))
  type!: unknown;

  @ApiProperty(environment)
  @Satisfies(text('environment', { judge: filled('environment') }))
  environment?: unknown;

  @ApiProperty(expiresAt)
  @Satisfies(text('expiresAt', { judge: dateTime('expiresAt') }))
  expiresAt?: unknown;

  @ApiProperty(tokenName)
  @Satisfies(text('tokenName', { required: true, judge: filled('tokenName') }))
  tokenName!: unknown;
}

/** Properties stand in the order in which Unleash judges them. */
export class UnleashCreateToken {
  @ApiProperty(expiresAt)
  @Satisfies(text('expiresAt', { judge: dateTime('expiresAt') }))
  expiresAt?: unknown;

  @ApiProperty(type)
  @Satisfies(text('type', { required: true, judge: matching('type', TYPE) }))
  type!: unknown;

  @ApiProperty(environment)
  @Satisfies(text('environment', { judge: filled('environment') }))
  environment?: unknown;

  @ApiProperty({ type: [String], required: false, default: ['*'], minItems: 1, example: ['default', 'checkout'], description: 'Keys of the projects; ["*"] for all.' })
  @Satisfies(texts('projects', { judge: projectKeys }))
  projects?: unknown;

  @ApiProperty(tokenName)
  @Satisfies(text('tokenName', { required: true, judge: filled('tokenName') }))
  tokenName!: unknown;
}

export class UnleashChangeExpiry {
  @ApiProperty({ ...expiresAt, required: true })
  @Satisfies(text('expiresAt', { required: true, judge: dateTime('expiresAt') }))
  expiresAt!: unknown;
}

export class UnleashCreatedToken {
  @ApiProperty({ type: [String], example: ['default'], description: 'Keys of its projects; ["*"] for all.' }) projects!: string[];
  @ApiProperty({ example: 'checkout-service' }) tokenName!: string;
  @ApiProperty({ enum: TYPES, example: 'backend' }) type!: string;
  @ApiProperty({ type: String, nullable: true, example: 'development' }) environment!: string | null;
  @ApiProperty({ required: false, format: 'date-time', example: '2031-01-01T00:00:00.000Z', description: 'Absent where it never expires.' }) expiresAt?: string;
  @ApiProperty({ format: 'date-time', example: '2026-11-22T00:03:04.490Z' }) createdAt!: string;
  @ApiProperty({ example: true, description: 'Always true: the secret is stored as a hash only.' }) secure!: true;
  @ApiProperty({ example: 'default:development.…', description: 'The secret; it is shown this once.' }) secret!: string;
  @ApiProperty({ example: 'default', description: 'The projects, joined by commas.' }) project!: string;
}

export class UnleashToken {
  @ApiProperty({ example: 'q1ZQGNYuQcqZ8b0t6yYBYA', description: 'Names the token without its secret; PUT and DELETE take it in place of the secret.' }) secret!: string;
  @ApiProperty({ example: 'checkout-service' }) tokenName!: string;
  @ApiProperty({ enum: TYPES, example: 'backend' }) type!: string;
  @ApiProperty({ type: [String], example: ['default'] }) projects!: string[];
  @ApiProperty({ example: 'default' }) project!: string;
  @ApiProperty({ type: String, nullable: true, example: 'development' }) environment!: string | null;
  @ApiProperty({ required: false, format: 'date-time', description: 'Absent where it never expires.' }) expiresAt?: string;
  @ApiProperty({ format: 'date-time', example: '2026-11-22T00:03:04.490Z' }) createdAt!: string;
  @ApiProperty({ required: false, format: 'date-time', description: 'When it was last used; absent while it never was.' }) seenAt?: string;
  @ApiProperty({ example: true }) secure!: true;
}

export class UnleashTokens {
  @ApiProperty({ type: [UnleashToken] }) tokens!: UnleashToken[];
}
