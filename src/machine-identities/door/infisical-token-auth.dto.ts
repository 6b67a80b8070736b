import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';
import { Satisfies } from '../../kernel/http/rule.js';
import { addresses, integer, queryInteger, slug, text, TTL, ttlWithinMax } from './zod-rules.js';

export const DEFAULT_TTL = 2_592_000;
export const ANYWHERE = [{ ipAddress: '0.0.0.0/0' }, { ipAddress: '::/0' }];
const OFFSET_MAX = 2_147_483_647;
export const TOKENS_LIMIT = 20;

export const TTL_DOC = { required: false, minimum: 0, maximum: TTL.max, example: 3600, description: 'Seconds a token lives until it is renewed; 0: until the maximum TTL, or for ever where that is 0 too.' };
export const MAX_TTL_DOC = { required: false, minimum: 0, maximum: TTL.max, example: 86400, description: 'Seconds a token lives at most, renewed as often as may be; 0: no bound.' };
export const USES_LIMIT_DOC = { required: false, minimum: 0, example: 0, description: 'How often a token can be used; 0: as often as may be.' };

export class InfisicalTrustedIpInput {
  @ApiProperty({ example: '10.0.0.0/8', description: 'IPv4 or IPv6 address, or CIDR range.' })
  ipAddress!: string;
}

export const TRUSTED_IPS_DOC: ApiPropertyOptions = { type: [InfisicalTrustedIpInput], required: false, default: ANYWHERE, description: 'From where tokens can be used; judged at every use.' };

export class InfisicalAttachTokenAuth {
  @ApiProperty({ ...TTL_DOC, default: DEFAULT_TTL })
  @Satisfies(integer(TTL))
  accessTokenTTL?: number;

  @ApiProperty({ ...MAX_TTL_DOC, default: DEFAULT_TTL })
  @Satisfies(ttlWithinMax(() => true, DEFAULT_TTL))
  accessTokenMaxTTL?: number;

  @ApiProperty({ ...USES_LIMIT_DOC, default: 0 })
  @Satisfies(integer({ min: 0 }))
  accessTokenNumUsesLimit?: number;

  @ApiProperty(TRUSTED_IPS_DOC)
  @Satisfies(addresses)
  accessTokenTrustedIps?: InfisicalTrustedIpInput[];
}

export class InfisicalUpdateTokenAuth {
  @ApiProperty(TTL_DOC)
  @Satisfies(integer(TTL))
  accessTokenTTL?: number;

  @ApiProperty(MAX_TTL_DOC)
  @Satisfies(ttlWithinMax((ttl, max) => ttl > 0 && max > 0))
  accessTokenMaxTTL?: number;

  @ApiProperty(USES_LIMIT_DOC)
  @Satisfies(integer({ min: 0 }))
  accessTokenNumUsesLimit?: number;

  @ApiProperty(TRUSTED_IPS_DOC)
  @Satisfies(addresses)
  accessTokenTrustedIps?: InfisicalTrustedIpInput[];
}

export class InfisicalTrustedIp {
  @ApiProperty({ example: '10.0.0.0', description: 'As it was given, host bits and all.' })
  ipAddress!: string;

  @ApiProperty({ enum: ['ipv4', 'ipv6'] })
  type!: 'ipv4' | 'ipv6';

  @ApiProperty({ required: false, example: 8, description: 'Absent for a single address.' })
  prefix?: number;
}

export class InfisicalTokenAuth {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ example: DEFAULT_TTL })
  accessTokenTTL!: number;

  @ApiProperty({ example: DEFAULT_TTL })
  accessTokenMaxTTL!: number;

  @ApiProperty({ example: 0 })
  accessTokenNumUsesLimit!: number;

  @ApiProperty({ type: [InfisicalTrustedIp], description: 'In the order they were given in.' })
  accessTokenTrustedIps!: InfisicalTrustedIp[];

  @ApiProperty({ format: 'date-time' })
  createdAt!: string;

  @ApiProperty({ format: 'date-time' })
  updatedAt!: string;

  @ApiProperty({ format: 'uuid' })
  identityId!: string;

  @ApiProperty({ example: 0 })
  accessTokenPeriod!: number;
}

export class InfisicalTokenAuthAnswer {
  @ApiProperty({ type: InfisicalTokenAuth })
  identityTokenAuth!: InfisicalTokenAuth;
}

export class InfisicalCreateToken {
  @ApiProperty({ required: false, example: 'deploy-bot', description: 'The name of the token.' })
  @Satisfies(text({ optional: true }))
  name?: string;

  @ApiProperty({ required: false, minLength: 1, maxLength: 64, example: 'payments', description: 'Slug of the sub-organization to scope the token to.' })
  @Satisfies(slug)
  organizationSlug?: string;
}

export class InfisicalUpdateToken {
  @ApiProperty({ required: false, example: 'deploy-bot' })
  @Satisfies(text({ optional: true }))
  name?: string;
}

export class InfisicalTokenQuery {
  @ApiProperty({ required: false, type: Number, minimum: 0, default: 0 })
  @Satisfies(queryInteger({ min: 0, max: OFFSET_MAX }))
  offset?: string;

  @ApiProperty({ required: false, type: Number, minimum: 1, maximum: 100, default: TOKENS_LIMIT })
  @Satisfies(queryInteger({ min: 1, max: 100 }))
  limit?: string;
}

export class InfisicalTokenData {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ example: DEFAULT_TTL, description: 'Seconds until it must be renewed; 0: it never expires.' })
  accessTokenTTL!: number;

  @ApiProperty({ example: DEFAULT_TTL })
  accessTokenMaxTTL!: number;

  @ApiProperty({ example: 0, description: 'At most 5 seconds behind for a token without a limit.' })
  accessTokenNumUses!: number;

  @ApiProperty({ example: 0 })
  accessTokenNumUsesLimit!: number;

  @ApiProperty({ type: String, nullable: true, format: 'date-time' })
  accessTokenLastUsedAt!: string | null;

  @ApiProperty({ type: String, nullable: true, format: 'date-time' })
  accessTokenLastRenewedAt!: string | null;

  @ApiProperty({ example: false })
  isAccessTokenRevoked!: boolean;

  @ApiProperty({ type: String, nullable: true })
  identityUAClientSecretId!: string | null;

  @ApiProperty({ format: 'uuid' })
  identityId!: string;

  @ApiProperty({ format: 'date-time' })
  createdAt!: string;

  @ApiProperty({ format: 'date-time' })
  updatedAt!: string;

  @ApiProperty({ type: String, nullable: true, example: 'deploy-bot' })
  name!: string | null;

  @ApiProperty({ example: 'token-auth' })
  authMethod!: string;

  @ApiProperty({ example: 0 })
  accessTokenPeriod!: number;

  @ApiProperty({ type: String, nullable: true, format: 'uuid' })
  subOrganizationId!: string | null;
}

export class InfisicalCreatedToken {
  @ApiProperty({ example: 'idt_…', description: 'The secret; it is shown this once.' })
  accessToken!: string;

  @ApiProperty({ example: DEFAULT_TTL, description: 'Seconds it lives; 0 only for one that never expires.' })
  expiresIn!: number;

  @ApiProperty({ example: DEFAULT_TTL })
  accessTokenMaxTTL!: number;

  @ApiProperty({ enum: ['Bearer'] })
  tokenType!: 'Bearer';

  @ApiProperty({ type: InfisicalTokenData })
  tokenData!: InfisicalTokenData;
}

export class InfisicalTokenAnswer {
  @ApiProperty({ type: InfisicalTokenData })
  token!: InfisicalTokenData;
}

export class InfisicalTokenList {
  @ApiProperty({ type: [InfisicalTokenData] })
  tokens!: InfisicalTokenData[];
}

export class InfisicalMessage {
  @ApiProperty({ example: 'Successfully revoked access token' })
  message!: string;
}
