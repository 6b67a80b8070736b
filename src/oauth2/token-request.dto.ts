import { ApiProperty } from '@nestjs/swagger';
import { Satisfies, type Rule } from '../kernel/http/rule.js';

export const CLIENT_CREDENTIALS = 'client_credentials';
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token';
export const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';

const AUDIENCES_MAX = 10;

/** RFC 6749 section 3.2: a parameter must not come twice. */
export const once: Rule = (value) => (value === undefined || typeof value === 'string' ? null : { rule: 'isString', message: 'must not be sent more than once', value: undefined });

const required: Rule = (value, body) => (value === undefined || value === '' ? { rule: 'isString', message: 'is required' } : once(value, body));

/** RFC 6749 section 3.3. */
const scope: Rule = (value, body) =>
  once(value, body) ??
  (value === undefined || /^[\x21\x23-\x5B\x5D-\x7E]+( [\x21\x23-\x5B\x5D-\x7E]+)*$/.test(value as string) ? null : { rule: 'invalid_scope', message: 'must be permissions, separated by single spaces' });

/** RFC 8693 section 2.1: may come more than once. */
const audience: Rule = (value) => {
  if (value === undefined) return null;
  const given = [value].flat() as unknown[];
  const good = given.length <= AUDIENCES_MAX && given.every((each) => typeof each === 'string' && /^[\x21-\x7E]{1,255}$/.test(each));
  return good ? null : { rule: 'invalid_target', message: `must be at most ${AUDIENCES_MAX} names or URIs of 1 to 255 visible ASCII characters` };
};

export class TokenRequest {
  @ApiProperty({ enum: [CLIENT_CREDENTIALS, TOKEN_EXCHANGE], example: CLIENT_CREDENTIALS })
  @Satisfies(required)
  grant_type!: string;

  @ApiProperty({ required: false, example: 'token:introspect', description: 'Fewer permissions, separated by spaces; left out, all there are.' })
  @Satisfies(scope)
  scope?: string;

  @ApiProperty({ required: false, description: 'Client id of the machine identity, where it does not stand in the Authorization header.' })
  @Satisfies(once)
  client_id?: string;

  @ApiProperty({ required: false, format: 'password', description: 'Its client secret, the same.' })
  @Satisfies(once)
  client_secret?: string;

  @ApiProperty({ required: false, description: 'Instead of a secret: a JWT signed with a key of the machine identity (RFC 7523).' })
  @Satisfies(once)
  client_assertion?: string;

  @ApiProperty({ required: false, example: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' })
  @Satisfies(once)
  client_assertion_type?: string;

  @ApiProperty({ required: false, description: 'Token exchange: the secret of any live token.' })
  @Satisfies(once)
  subject_token?: string;

  @ApiProperty({ required: false, example: ACCESS_TOKEN_TYPE })
  @Satisfies(once)
  subject_token_type?: string;

  @ApiProperty({ required: false, enum: [ACCESS_TOKEN_TYPE, JWT_TYPE], description: 'Left out or either: the answer is a JWT.' })
  @Satisfies(once)
  requested_token_type?: string;

  @ApiProperty({ required: false, description: 'Not supported: nobody acts for somebody else.' })
  @Satisfies(once)
  actor_token?: string;

  @ApiProperty({ required: false, type: String, example: 'https://billing.example', description: 'Token exchange: who shall accept the JWT, once or more; left out, the issuer.' })
  @Satisfies(audience)
  audience?: string | string[];

  @ApiProperty({ required: false, type: String, description: 'The same, as URIs (RFC 8707).' })
  @Satisfies(audience)
  resource?: string | string[];
}

/** RFC 6749 section 5.1, RFC 8693 section 2.2.1. */
export class TokenAnswer {
  @ApiProperty({ example: 'idt_…' }) access_token!: string;
  @ApiProperty({ required: false, enum: [ACCESS_TOKEN_TYPE, JWT_TYPE], description: 'Of token exchange only.' }) issued_token_type?: string;
  @ApiProperty({ example: 'Bearer' }) token_type!: 'Bearer';
  @ApiProperty({ required: false, example: 300, description: 'Seconds; absent for a token that never expires.' }) expires_in?: number;
  @ApiProperty({ example: 'token:introspect', description: 'What it may do.' }) scope!: string;
}
