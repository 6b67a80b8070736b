import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';
import { Satisfies } from '../../kernel/http/rule.js';
import { ANYWHERE, DEFAULT_TTL, InfisicalTrustedIp, InfisicalTrustedIpInput, MAX_TTL_DOC, TRUSTED_IPS_DOC, TTL_DOC, USES_LIMIT_DOC } from './infisical-token-auth.dto.js';
import { addresses, flag, integer, slug, text, TTL, ttlWithinMax } from './zod-rules.js';

const PERIOD_DOC = { required: false, minimum: 0, maximum: TTL.max, example: 0, description: 'Above 0: tokens live so many seconds and may be renewed for ever, whatever the TTLs say.' };
const SECRET_IPS_DOC: ApiPropertyOptions = { type: [InfisicalTrustedIpInput], required: false, default: ANYWHERE, description: 'From where client secrets can be used to log in.' };
const LOCKOUT_DOC = { required: false, default: true, description: 'Whether failed logins lock their source out.' };
const THRESHOLD = { min: 1, max: 30 };
const THRESHOLD_DOC = { required: false, minimum: THRESHOLD.min, maximum: THRESHOLD.max, default: 3, description: 'Failed logins from one source that lock it out.' };
const DURATION = { min: 30, max: 86_400 };
const DURATION_DOC = { required: false, minimum: DURATION.min, maximum: DURATION.max, default: 300, description: 'Seconds a source is locked out.' };
const RESET = { min: 5, max: 3600 };
const RESET_DOC = { required: false, minimum: RESET.min, maximum: RESET.max, default: 30, description: 'Seconds after a failed login when counting begins anew.' };

export class InfisicalAttachUniversalAuth {
  @ApiProperty(SECRET_IPS_DOC)
  @Satisfies(addresses)
  clientSecretTrustedIps?: InfisicalTrustedIpInput[];

  @ApiProperty(TRUSTED_IPS_DOC)
  @Satisfies(addresses)
  accessTokenTrustedIps?: InfisicalTrustedIpInput[];

  @ApiProperty({ ...TTL_DOC, default: DEFAULT_TTL })
  @Satisfies(integer(TTL))
  accessTokenTTL?: number;

  @ApiProperty({ ...MAX_TTL_DOC, default: DEFAULT_TTL })
  @Satisfies(ttlWithinMax(() => true, DEFAULT_TTL))
  accessTokenMaxTTL?: number;

  @ApiProperty({ ...USES_LIMIT_DOC, default: 0 })
  @Satisfies(integer({ min: 0 }))
  accessTokenNumUsesLimit?: number;

  @ApiProperty({ ...PERIOD_DOC, default: 0 })
  @Satisfies(integer(TTL))
  accessTokenPeriod?: number;

  @ApiProperty(LOCKOUT_DOC)
  @Satisfies(flag)
  lockoutEnabled?: boolean;

  @ApiProperty(THRESHOLD_DOC)
  @Satisfies(integer(THRESHOLD))
  lockoutThreshold?: number;

  @ApiProperty(DURATION_DOC)
  @Satisfies(integer(DURATION))
  lockoutDurationSeconds?: number;

  @ApiProperty(RESET_DOC)
  @Satisfies(integer(RESET))
  lockoutCounterResetSeconds?: number;
}

export class InfisicalUpdateUniversalAuth {
  @ApiProperty(SECRET_IPS_DOC)
  @Satisfies(addresses)
  clientSecretTrustedIps?: InfisicalTrustedIpInput[];

  @ApiProperty(TRUSTED_IPS_DOC)
  @Satisfies(addresses)
  accessTokenTrustedIps?: InfisicalTrustedIpInput[];

  @ApiProperty(TTL_DOC)
  @Satisfies(integer(TTL))
  accessTokenTTL?: number;

  @ApiProperty(USES_LIMIT_DOC)
  @Satisfies(integer({ min: 0 }))
  accessTokenNumUsesLimit?: number;

  @ApiProperty(MAX_TTL_DOC)
  @Satisfies(ttlWithinMax((ttl, max) => ttl > 0 && max > 0))
  accessTokenMaxTTL?: number;

  @ApiProperty(PERIOD_DOC)
  @Satisfies(integer(TTL))
  accessTokenPeriod?: number;

  @ApiProperty(LOCKOUT_DOC)
  @Satisfies(flag)
  lockoutEnabled?: boolean;

  @ApiProperty(THRESHOLD_DOC)
  @Satisfies(integer(THRESHOLD))
  lockoutThreshold?: number;

  @ApiProperty(DURATION_DOC)
  @Satisfies(integer(DURATION))
  lockoutDurationSeconds?: number;

  @ApiProperty(RESET_DOC)
  @Satisfies(integer(RESET))
  lockoutCounterResetSeconds?: number;
}

export class InfisicalUniversalAuth {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ format: 'uuid', description: 'What the machine logs in with, beside a client secret.' }) clientId!: string;
  @ApiProperty({ example: DEFAULT_TTL }) accessTokenTTL!: number;
  @ApiProperty({ example: DEFAULT_TTL }) accessTokenMaxTTL!: number;
  @ApiProperty({ example: 0 }) accessTokenNumUsesLimit!: number;
  @ApiProperty({ type: [InfisicalTrustedIp] }) clientSecretTrustedIps!: InfisicalTrustedIp[];
  @ApiProperty({ type: [InfisicalTrustedIp] }) accessTokenTrustedIps!: InfisicalTrustedIp[];
  @ApiProperty({ format: 'date-time' }) createdAt!: string;
  @ApiProperty({ format: 'date-time' }) updatedAt!: string;
  @ApiProperty({ format: 'uuid' }) identityId!: string;
  @ApiProperty({ example: 0 }) accessTokenPeriod!: number;
  @ApiProperty({ example: true }) lockoutEnabled!: boolean;
  @ApiProperty({ example: 3 }) lockoutThreshold!: number;
  @ApiProperty({ example: 300 }) lockoutDurationSeconds!: number;
  @ApiProperty({ example: 30 }) lockoutCounterResetSeconds!: number;
}

export class InfisicalUniversalAuthAnswer {
  @ApiProperty({ type: InfisicalUniversalAuth }) identityUniversalAuth!: InfisicalUniversalAuth;
}

export class InfisicalLogin {
  @ApiProperty({ format: 'uuid' })
  @Satisfies(text())
  clientId!: string;

  @ApiProperty({ example: 'ics_…', format: 'password' })
  @Satisfies(text())
  clientSecret!: string;

  @ApiProperty({ required: false, minLength: 1, maxLength: 64, example: 'payments', description: 'Slug of the sub-organization to scope the token to.' })
  @Satisfies(slug)
  organizationSlug?: string;
}

export class InfisicalCreateClientSecret {
  @ApiProperty({ required: false, default: '', example: 'for the build server' })
  @Satisfies(text({ optional: true }))
  description?: string;

  @ApiProperty({ required: false, minimum: 0, default: 0, description: 'How often it can be used to log in; 0: as often as may be.' })
  @Satisfies(integer({ min: 0 }))
  numUsesLimit?: number;

  @ApiProperty({ required: false, minimum: 0, maximum: TTL.max, default: 0, description: 'Seconds it lives; 0: until it is revoked.' })
  @Satisfies(integer(TTL))
  ttl?: number;
}

export class InfisicalClientSecret {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ format: 'date-time' }) createdAt!: string;
  @ApiProperty({ format: 'date-time' }) updatedAt!: string;
  @ApiProperty({ example: 'for the build server' }) description!: string;
  @ApiProperty({ example: 'ics_3fQ9', description: 'Enough to recognise the secret, no more.' }) clientSecretPrefix!: string;
  @ApiProperty({ example: 0 }) clientSecretNumUses!: number;
  @ApiProperty({ example: 0 }) clientSecretNumUsesLimit!: number;
  @ApiProperty({ example: 0 }) clientSecretTTL!: number;
  @ApiProperty({ format: 'uuid' }) identityUAId!: string;
  @ApiProperty({ example: false }) isClientSecretRevoked!: boolean;
}

export class InfisicalCreatedClientSecret {
  @ApiProperty({ example: 'ics_…', description: 'The secret; it is shown this once.' }) clientSecret!: string;
  @ApiProperty({ type: InfisicalClientSecret }) clientSecretData!: InfisicalClientSecret;
}

export class InfisicalClientSecretAnswer {
  @ApiProperty({ type: InfisicalClientSecret }) clientSecretData!: InfisicalClientSecret;
}

export class InfisicalClientSecretList {
  @ApiProperty({ type: [InfisicalClientSecret] }) clientSecretData!: InfisicalClientSecret[];
}

export class InfisicalLockoutsCleared {
  @ApiProperty({ example: 1, description: 'Sources that were counted or locked out.' }) deleted!: number;
}
