import type { ClientCredentials } from '../client-login.service.js';
import type { ClientSecretView, NewClientSecret } from '../client-secrets.service.js';
import type { ClientSettings, UniversalAuthView } from '../universal-auth.service.js';
import { ANYWHERE } from './infisical-token-auth.dto.js';
import { toAddresses, toSettings, toSettingsChange, toSlug, toTrustedIps } from './infisical-token-auth.mapper.js';
import type {
  InfisicalAttachUniversalAuth,
  InfisicalClientSecret,
  InfisicalCreateClientSecret,
  InfisicalLogin,
  InfisicalUniversalAuthAnswer,
  InfisicalUpdateUniversalAuth,
} from './infisical-universal-auth.dto.js';

const LOCKOUT = { threshold: 3, durationSeconds: 300, counterResetSeconds: 30 };

export function toClientSettings(body: InfisicalAttachUniversalAuth): ClientSettings {
  return {
    ...toSettings(body),
    periodSeconds: body.accessTokenPeriod ?? 0,
    clientSecretTrustedAddresses: toAddresses(body.clientSecretTrustedIps ?? ANYWHERE),
    lockoutEnabled: body.lockoutEnabled ?? true,
    lockoutThreshold: body.lockoutThreshold ?? LOCKOUT.threshold,
    lockoutDurationSeconds: body.lockoutDurationSeconds ?? LOCKOUT.durationSeconds,
    lockoutCounterResetSeconds: body.lockoutCounterResetSeconds ?? LOCKOUT.counterResetSeconds,
  };
}

export function toClientSettingsChange(body: InfisicalUpdateUniversalAuth): Partial<ClientSettings> {
  const { accessTokenPeriod, clientSecretTrustedIps, lockoutEnabled, lockoutThreshold, lockoutDurationSeconds, lockoutCounterResetSeconds } = body;
  return {
    ...toSettingsChange(body),
    ...(accessTokenPeriod !== undefined && { periodSeconds: accessTokenPeriod }),
    ...(clientSecretTrustedIps && { clientSecretTrustedAddresses: toAddresses(clientSecretTrustedIps) }),
    ...(lockoutEnabled !== undefined && { lockoutEnabled }),
    ...(lockoutThreshold !== undefined && { lockoutThreshold }),
    ...(lockoutDurationSeconds !== undefined && { lockoutDurationSeconds }),
    ...(lockoutCounterResetSeconds !== undefined && { lockoutCounterResetSeconds }),
  };
}

export function toUniversalAuthAnswer(settings: UniversalAuthView): InfisicalUniversalAuthAnswer {
  return {
    identityUniversalAuth: {
      id: settings.id,
      clientId: settings.clientId,
      accessTokenTTL: settings.ttlSeconds,
      accessTokenMaxTTL: settings.maxTtlSeconds,
      accessTokenNumUsesLimit: settings.usesLimit,
      clientSecretTrustedIps: toTrustedIps(settings.clientSecretTrustedAddresses),
      accessTokenTrustedIps: toTrustedIps(settings.trustedAddresses),
      createdAt: settings.createdAt.toRfc3339(3),
      updatedAt: settings.updatedAt.toRfc3339(3),
      identityId: settings.identityId,
      accessTokenPeriod: settings.periodSeconds,
      lockoutEnabled: settings.lockoutEnabled,
      lockoutThreshold: settings.lockoutThreshold,
      lockoutDurationSeconds: settings.lockoutDurationSeconds,
      lockoutCounterResetSeconds: settings.lockoutCounterResetSeconds,
    },
  };
}

export function toCredentials({ clientId, clientSecret, organizationSlug }: InfisicalLogin): ClientCredentials {
  return { clientId: clientId.trim(), proof: { secret: clientSecret.trim() }, subOrganization: toSlug(organizationSlug) };
}

export function toNewClientSecret({ description = '', numUsesLimit = 0, ttl = 0 }: InfisicalCreateClientSecret): NewClientSecret {
  return { description: description.trim(), usesLimit: numUsesLimit, ttlSeconds: ttl };
}

export function toClientSecret(secret: ClientSecretView): InfisicalClientSecret {
  return {
    id: secret.id,
    createdAt: secret.createdAt.toRfc3339(3),
    updatedAt: secret.updatedAt.toRfc3339(3),
    description: secret.description,
    clientSecretPrefix: secret.prefix,
    clientSecretNumUses: secret.useCount,
    clientSecretNumUsesLimit: secret.usesLimit,
    clientSecretTTL: secret.ttlSeconds,
    identityUAId: secret.settingsId,
    isClientSecretRevoked: secret.revokedAt !== null,
  };
}
