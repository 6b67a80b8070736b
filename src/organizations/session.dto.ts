import { ApiProperty } from '@nestjs/swagger';
import { plainText } from '../kernel/http/plain-text.js';
import { Satisfies, type Rule } from '../kernel/http/rule.js';
import { PASSWORD_BYTES_MAX } from '../users/password-policy.js';

/** Any characters: a password is compared, never shown or stored. */
export const presentedPassword: Rule = (value) => {
  if (typeof value !== 'string' || value === '') return { rule: 'isString', message: 'must be a non-empty string', value: undefined };
  const bytes = Buffer.byteLength(value.normalize('NFC'));
  return bytes > PASSWORD_BYTES_MAX ? { rule: 'length', message: `must have at most ${PASSWORD_BYTES_MAX} bytes`, value: undefined } : null;
};

export class Login {
  @ApiProperty({ example: 'admin@localhost' })
  @Satisfies(plainText({ min: 1, max: 320 }))
  email!: string;

  @ApiProperty({ example: 'the password printed at the first start', format: 'password' })
  @Satisfies(presentedPassword)
  password!: string;

  @ApiProperty({ required: false, example: 'default', description: 'Slug or id; the first organization you joined where left out.' })
  @Satisfies(plainText({ min: 1, max: 255, optional: true }))
  organization?: string;
}

export class Refresh {
  @ApiProperty({ example: 'rft_…' })
  @Satisfies(plainText({ min: 1, max: 4096 }))
  refresh_token!: string;
}

export class Switch {
  @ApiProperty({ example: 'default', description: 'Slug or id of an organization you belong to.' })
  @Satisfies(plainText({ min: 1, max: 255 }))
  organization!: string;
}

export class OrganizationRef {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ example: 'default' })
  slug!: string;

  @ApiProperty({ example: 'Default' })
  name!: string;
}

export class PersonRef {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ example: 'admin@localhost' })
  email!: string;

  @ApiProperty({ example: 'Administrator' })
  name!: string;
}

export class SessionStarted {
  @ApiProperty({ description: 'ES256 JWT, good for 15 minutes (RFC 9068).' })
  access_token!: string;

  @ApiProperty({ example: 'Bearer' })
  token_type!: 'Bearer';

  @ApiProperty({ example: 900, description: 'Seconds.' })
  expires_in!: number;

  @ApiProperty({ example: 'rft_…', description: 'Works once; using it again ends the session.' })
  refresh_token!: string;

  @ApiProperty({ type: OrganizationRef })
  organization!: OrganizationRef;

  @ApiProperty({ type: PersonRef })
  user!: PersonRef;
}

export class CredentialToken {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ example: 'user' })
  kind!: string;

  @ApiProperty({ nullable: true, type: String })
  name!: string | null;

  @ApiProperty({ nullable: true, type: String, format: 'date-time' })
  expires_at!: string | null;
}

export class Me {
  @ApiProperty({ type: PersonRef, nullable: true, description: 'Null for a token without a person.' })
  user!: PersonRef | null;

  @ApiProperty({ type: OrganizationRef })
  organization!: OrganizationRef;

  @ApiProperty({ type: [String], example: ['profile:read', 'token:read'] })
  permissions!: string[];

  @ApiProperty({ type: CredentialToken, nullable: true, description: 'Null for a session.' })
  token!: CredentialToken | null;
}
