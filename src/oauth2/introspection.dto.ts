import { ApiProperty } from '@nestjs/swagger';
import { Satisfies, type Rule } from '../kernel/http/rule.js';
import { once } from './token-request.dto.js';

/** RFC 6749 section 3.2: a parameter must not come twice; RFC 7662 and 7009: `token` is required. */
const token: Rule = (value) => {
  if (typeof value !== 'string' || value === '') {
    return { rule: 'isString', message: Array.isArray(value) ? 'must not be sent more than once' : 'is required', value: undefined };
  }
  return null;
};

export class PresentedToken {
  @ApiProperty({ example: 'api_…', description: 'The secret of any token.' })
  @Satisfies(token)
  token!: string;

  @ApiProperty({ required: false, example: 'access_token', description: 'Ignored: the token is found whatever is hinted.' })
  @Satisfies(once)
  token_type_hint?: string;
}

const TOKENS_MAX = 100;

const tokens: Rule = (value) => {
  if (!Array.isArray(value)) return { rule: 'isArray', message: 'must be a list of secrets' };
  if (value.length === 0 || value.length > TOKENS_MAX) return { rule: 'length', message: `must have 1 to ${TOKENS_MAX} secrets` };
  const index = value.findIndex((each) => typeof each !== 'string');
  return index === -1 ? null : { rule: 'isString', message: 'must be text', at: [index], value: undefined };
};

export class PresentedTokens {
  @ApiProperty({ type: [String], example: ['api_…'], maxItems: TOKENS_MAX, description: 'Secrets of tokens of any kind.' })
  @Satisfies(tokens)
  tokens!: string[];
}

/** How recent the answer must be. */
export class Consistency {
  @ApiProperty({ required: false, enum: ['full'], description: 'full: ask the database, whatever is remembered.' })
  @Satisfies((value) => (value === undefined || value === 'full' ? null : { rule: 'isIn', message: 'must be full, or left out' }))
  consistency?: 'full';
}

export class Introspection {
  @ApiProperty({ description: 'True for a live token of your own organization; nothing else is said of any other.' })
  active!: boolean;

  @ApiProperty({ required: false, example: 'token:read user:api-token:read', description: 'Permissions it has at this moment, separated by spaces.' })
  scope?: string;

  @ApiProperty({ required: false, description: 'The owner the token acts for.' })
  client_id?: string;

  @ApiProperty({ required: false, example: 'admin@localhost', description: 'E-mail address of the person, where there is one.' })
  username?: string;

  @ApiProperty({ required: false, example: 'Bearer' })
  token_type?: 'Bearer';

  @ApiProperty({ required: false, description: 'Seconds since 1970; absent for a token that never expires.' })
  exp?: number;

  @ApiProperty({ required: false })
  iat?: number;

  @ApiProperty({ required: false, format: 'uuid', description: 'The person, project, machine or organization it acts for.' })
  sub?: string;

  @ApiProperty({ required: false })
  iss?: string;

  @ApiProperty({ required: false, format: 'uuid', description: 'Id of the token.' })
  jti?: string;

  @ApiProperty({ required: false, format: 'uuid' })
  organization_id?: string;

  @ApiProperty({ required: false, enum: ['user', 'project', 'machine-identity', 'organization', 'auth-method'] })
  owner_kind?: string;

  @ApiProperty({ required: false, format: 'uuid' })
  owner_id?: string;

  @ApiProperty({ required: false, type: [String], example: ['*'], description: 'Keys of its projects; * for all.' })
  projects?: string[];

  @ApiProperty({ required: false, nullable: true, type: String, example: 'production' })
  environment?: string | null;
}

export class Introspections {
  @ApiProperty({ type: [Introspection], description: 'One for each secret, in the order asked.' })
  results!: Introspection[];
}

export class OAuthError {
  @ApiProperty({ example: 'invalid_request' })
  error!: string;

  @ApiProperty({ example: 'The request contains invalid input.' })
  error_description!: string;
}
