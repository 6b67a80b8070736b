import { ApiProperty } from '@nestjs/swagger';
import { isStorable } from '../../kernel/http/plain-text.js';
import { Satisfies, type Rule } from '../../kernel/http/rule.js';
import { parsePhpDate } from './php-date.js';

const DESCRIPTION_LENGTH = { min: 3, max: 255 };
/** Symfony's own codes of its Length constraint. */
const TOO_SHORT = '9ff3fdc4-b214-49db-8718-39c315e33d45';
const TOO_LONG = 'd94b19cc-114f-4f44-9cc4-4138e80a87b9';

function wrongType(attribute: string, value: unknown): { rule: string; message: string } {
  const given = Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value === 'number' ? 'float' : typeof value;
  return { rule: 'type', message: `The type of the "${attribute}" attribute must be "string", "${given === 'object' ? 'array' : given === 'boolean' ? 'bool' : given}" given.` };
}

const description: Rule = (value) => {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') return wrongType('description', value);
  if (!isStorable(value)) return { rule: 'unstorable', message: 'The value of the "description" attribute is not valid text.' };
  const length = [...value].length;
  if (length < DESCRIPTION_LENGTH.min) return { rule: TOO_SHORT, message: 'This value is too short. It should have 3 characters or more.' };
  return length > DESCRIPTION_LENGTH.max ? { rule: TOO_LONG, message: 'This value is too long. It should have 255 characters or less.' } : null;
};

const expiresAt: Rule = (value) => {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') return wrongType('expiresAt', value);
  return parsePhpDate(value) ? null : { rule: 'date', message: 'The value of the "expiresAt" attribute is not a valid date-time: it must be like 2021-01-01T00:00:00+00:00.' };
};

export class FynnCreateToken {
  @ApiProperty({ type: String, required: false, nullable: true, minLength: 3, maxLength: 255, example: 'My API token', description: 'Description of the API token' })
  @Satisfies(description)
  description?: string | null;

  @ApiProperty({
    type: String,
    required: false,
    nullable: true,
    format: 'date-time',
    example: '2031-01-01T00:00:00+00:00',
    description: 'Date and time when the API token expires. If null, the token never expires.',
  })
  @Satisfies(expiresAt)
  expiresAt?: string | null;
}

export class FynnCreatedToken {
  @ApiProperty({ example: 'A1B2C3D4E5F6G7H8I9J0' })
  id!: string;

  @ApiProperty({ example: 'api_…', description: 'The secret; it is shown this once.' })
  token!: string;

  @ApiProperty({ type: String, nullable: true, example: 'My API token' })
  description!: string | null;

  @ApiProperty({ type: String, nullable: true, format: 'date-time', example: '2031-01-01T00:00:00+00:00' })
  expiresAt!: string | null;
}

export class FynnViolation {
  @ApiProperty({ example: 'description' })
  propertyPath!: string;

  @ApiProperty({ example: 'This value is too short. It should have 3 characters or more.' })
  message!: string;

  @ApiProperty({ example: '9ff3fdc4-b214-49db-8718-39c315e33d45' })
  code!: string;
}

export class FynnProblem {
  @ApiProperty({ example: 'https://tools.ietf.org/html/rfc2616#section-10' })
  type!: string;

  @ApiProperty({ example: 'An error occurred' })
  title!: string;

  @ApiProperty({ example: 'description: This value is too short. It should have 3 characters or more.' })
  detail!: string;

  @ApiProperty({ type: [FynnViolation], required: false })
  violations?: FynnViolation[];
}

export class FynnUnauthenticated {
  @ApiProperty({ example: 401 })
  code!: number;

  @ApiProperty({ example: 'JWT Token not found' })
  message!: string;
}
