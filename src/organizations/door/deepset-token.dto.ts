import { ApiProperty } from '@nestjs/swagger';
import { Satisfies } from '../../kernel/http/rule.js';
import { BUILT_IN_ROLES } from '../../tokens/permissions.js';
import { boolean, field, list, literal, nullable, string } from './pydantic.js';
import { datetime } from './pydantic-datetime.js';
import { uuid } from './pydantic-uuid.js';

const NAME_LENGTH_MAX = 255;

/** What the fields of a new token are, in their order. */
export const TOKEN_FIELDS = {
  name: nullable(string({ maxLength: NAME_LENGTH_MAX })),
  expires: boolean,
  expires_at: nullable(datetime),
  personal: boolean,
  organization_role: literal(BUILT_IN_ROLES),
  role_id: nullable(uuid),
  workspaces: list(string()),
};

export class DeepsetCreateToken {
  @ApiProperty({ type: String, required: false, nullable: true, maxLength: NAME_LENGTH_MAX, example: 'Ingestion', title: 'API Token Name', description: 'The name of the API token.' })
  @Satisfies(field(TOKEN_FIELDS.name))
  name?: unknown;

  @ApiProperty({ type: Boolean, required: false, default: true, title: 'API Token Expires', description: 'False: the token never expires, whatever expires_at says.' })
  @Satisfies(field(TOKEN_FIELDS.expires))
  expires?: unknown;

  @ApiProperty({
    type: String,
    required: false,
    nullable: true,
    format: 'date-time',
    example: '2031-01-01T00:00:00.000Z',
    title: 'API Token Expiry',
    description: 'When the token expires; UTC where no zone is named. A token that expires but is not said when lives for 365 days.',
  })
  @Satisfies(field(TOKEN_FIELDS.expires_at))
  expires_at?: unknown;

  @ApiProperty({ type: Boolean, required: false, default: true, title: 'API Token type', description: 'True: the token acts for you and ends with your membership. False: a service token of the organization.' })
  @Satisfies(field(TOKEN_FIELDS.personal))
  personal?: unknown;

  @ApiProperty({ enum: BUILT_IN_ROLES, required: false, title: 'Organization Role', description: 'The role that bounds the token, no wider than you are; your own role where it is left out.' })
  @Satisfies(field(TOKEN_FIELDS.organization_role))
  organization_role?: unknown;

  @ApiProperty({ type: String, required: false, nullable: true, format: 'uuid', title: 'API Token Role ID', description: 'A role of the organization that bounds the token, no wider than you are; beside organization_role it bounds further.' })
  @Satisfies(field(TOKEN_FIELDS.role_id))
  role_id?: unknown;

  @ApiProperty({ type: [String], required: false, example: ['default'], title: 'API Token Workspaces', description: 'Names or ids of the workspaces the token is limited to; all where it is left out, none where it is empty.' })
  @Satisfies(field(TOKEN_FIELDS.workspaces))
  workspaces?: unknown;
}

export class DeepsetApiTokenResult {
  @ApiProperty({ example: 'api_…', description: 'The secret; it is shown this once.' })
  api_token!: string;

  @ApiProperty({ format: 'uuid', title: 'API Token ID' })
  api_token_id!: string;
}

export class DeepsetUserName {
  @ApiProperty({ example: 'Ada' })
  given_name!: string;

  @ApiProperty({ example: 'Lovelace', description: 'Empty for a person of one name.' })
  family_name!: string;
}

export class DeepsetToken {
  @ApiProperty({ format: 'uuid' })
  api_token_id!: string;

  @ApiProperty({ type: String, nullable: true, format: 'date-time', example: '2031-01-01T00:00:00Z', description: 'Null: never.' })
  expires_at!: string | null;

  @ApiProperty({ type: DeepsetUserName, nullable: true, description: 'Whose personal token it is; null for a service token.' })
  user!: DeepsetUserName | null;

  @ApiProperty({ type: String, nullable: true, example: 'Ingestion' })
  name!: string | null;

  @ApiProperty()
  personal!: boolean;

  @ApiProperty({ type: String, enum: BUILT_IN_ROLES, nullable: true, description: 'The built-in role that bounds it; null where only a custom one does.' })
  organization_role!: string | null;

  @ApiProperty({ type: String, nullable: true, format: 'uuid', description: 'The role that bounds it.' })
  role_id!: string | null;

  @ApiProperty({ type: [String], nullable: true, example: ['default'], description: 'Names of the workspaces it is limited to; null: all.' })
  workspaces!: string[] | null;

  @ApiProperty({ format: 'date-time', example: '2026-11-22T02:08:31.123456Z' })
  created_at!: string;

  @ApiProperty({ type: String, nullable: true, format: 'date-time', description: 'Null: not yet.' })
  last_used_at!: string | null;

  @ApiProperty({ example: 'api_…wxyz', description: 'How to recognise the secret.' })
  masked_api_token!: string;
}

export class DeepsetTokenPage {
  @ApiProperty({ type: [DeepsetToken], description: 'Newest first.' })
  data!: DeepsetToken[];

  @ApiProperty({ description: 'Whether there are more beyond this page, in the direction it was asked in.' })
  has_more!: boolean;

  @ApiProperty({ example: 1 })
  total!: number;
}
