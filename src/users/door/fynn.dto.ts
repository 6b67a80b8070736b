import { ApiProperty } from '@nestjs/swagger';
import { Satisfies } from '../../kernel/http/rule.js';
import { description, expiresAt, limit, page } from './fynn-rules.js';

const DATE = { format: 'date-time', example: '2031-01-01T00:00:00+00:00' };

export class FynnCreateToken {
  @ApiProperty({ type: String, required: false, nullable: true, minLength: 3, maxLength: 255, example: 'My API token', description: 'Description of the API token' })
  @Satisfies(description)
  description?: string | null;

  @ApiProperty({ type: String, required: false, nullable: true, ...DATE, description: 'Date and time when the API token expires. If null, the token never expires.' })
  @Satisfies(expiresAt)
  expiresAt?: string | null;
}

export class FynnPageQuery {
  @ApiProperty({ required: false, type: 'integer', default: 1, minimum: 1, description: 'The collection page number' })
  @Satisfies(page)
  page?: string;

  @ApiProperty({ required: false, type: 'integer', default: 30, minimum: 0, maximum: 100, description: 'The number of items per page; more than 100 is read as 100' })
  @Satisfies(limit)
  limit?: string;
}

export class FynnCreatedToken {
  @ApiProperty({ example: 'A1B2C3D4E5F6G7H8I9J0' })
  id!: string;

  @ApiProperty({ example: 'api_…', description: 'The secret; it is shown this once.' })
  token!: string;

  @ApiProperty({ type: String, nullable: true, example: 'My API token' })
  description!: string | null;

  @ApiProperty({ type: String, nullable: true, ...DATE })
  expiresAt!: string | null;
}

export class FynnToken {
  @ApiProperty({ example: 'A1B2C3D4E5F6G7H8I9J0' })
  id!: string;

  @ApiProperty({ type: String, nullable: true, example: 'My API token', description: 'Description of the API token' })
  description!: string | null;

  @ApiProperty({ type: String, nullable: true, ...DATE, description: 'Date and time when the API token expires. If null, the token never expires.' })
  expiresAt!: string | null;

  @ApiProperty({ ...DATE, description: 'The date and time when the resource was created.' })
  createdAt!: string;

  @ApiProperty({ ...DATE, description: 'The date and time when the resource was last updated.' })
  updatedAt!: string;

  @ApiProperty({ example: '**********', description: 'Redacted API token' })
  apiToken!: string;
}

export class FynnTenant {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ example: 'ACME' })
  name!: string;

  @ApiProperty({ example: 'acme', description: 'Slug of the organization' })
  username!: string;

  @ApiProperty({ example: 'ACME', description: 'The name again: no other is known' })
  legalCompanyName!: string;
}

export class FynnPagination {
  @ApiProperty({ example: 1 })
  totalItems!: number;

  @ApiProperty({ example: 30 })
  itemsPerPage!: number;

  @ApiProperty({ example: 1 })
  currentPage!: number;

  @ApiProperty({ example: 1 })
  lastPage!: number;

  @ApiProperty({ example: 1 })
  pageTotalItems!: number;
}

export class FynnPageMeta {
  @ApiProperty({ type: FynnPagination })
  pagination!: FynnPagination;
}

export class FynnTokenPage {
  @ApiProperty({ type: [FynnToken] })
  data!: FynnToken[];

  @ApiProperty({ type: FynnPageMeta })
  meta!: FynnPageMeta;
}

export class FynnTenantPage {
  @ApiProperty({ type: [FynnTenant] })
  data!: FynnTenant[];

  @ApiProperty({ type: FynnPageMeta })
  meta!: FynnPageMeta;
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

  @ApiProperty({ type: [String], required: false, example: ['user:api-token:write'], description: 'Permissions that were missing.' })
  permissions?: string[];
}

export class FynnUnauthenticated {
  @ApiProperty({ example: 401 })
  code!: number;

  @ApiProperty({ example: 'JWT Token not found' })
  message!: string;
}
