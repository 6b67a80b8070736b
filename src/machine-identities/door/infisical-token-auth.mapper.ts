import { parseAddressEntry } from '../../tokens/address-list.js';
import type { MintedToken, Token } from '../../tokens/token.js';
import type { AccessTokenSettings } from '../access-token-settings.js';
import type { IdentityTokenRequest } from '../identity-tokens.service.js';
import type { TokenAuthView } from '../token-auth.service.js';
import {
  ANYWHERE,
  DEFAULT_TTL,
  TOKENS_LIMIT,
  type InfisicalAttachTokenAuth,
  type InfisicalCreatedToken,
  type InfisicalCreateToken,
  type InfisicalTokenAuthAnswer,
  type InfisicalTokenData,
  type InfisicalTokenQuery,
  type InfisicalTrustedIp,
  type InfisicalTrustedIpInput,
  type InfisicalUpdateTokenAuth,
} from './infisical-token-auth.dto.js';

/** What the dialect answers for "may be renewed for ever": clients that know no period keep renewing. */
const PERIODIC_MAX_TTL = 1_000_000_000;

export function toSettings(body: InfisicalAttachTokenAuth): AccessTokenSettings {
  return {
    ttlSeconds: body.accessTokenTTL ?? DEFAULT_TTL,
    maxTtlSeconds: body.accessTokenMaxTTL ?? DEFAULT_TTL,
    usesLimit: body.accessTokenNumUsesLimit ?? 0,
    trustedAddresses: toAddresses(body.accessTokenTrustedIps ?? ANYWHERE),
  };
}

export function toSettingsChange(body: InfisicalUpdateTokenAuth): Partial<AccessTokenSettings> {
  return {
    ...(body.accessTokenTTL !== undefined && { ttlSeconds: body.accessTokenTTL }),
    ...(body.accessTokenMaxTTL !== undefined && { maxTtlSeconds: body.accessTokenMaxTTL }),
    ...(body.accessTokenNumUsesLimit !== undefined && { usesLimit: body.accessTokenNumUsesLimit }),
    ...(body.accessTokenTrustedIps && { trustedAddresses: toAddresses(body.accessTokenTrustedIps) }),
  };
}

export function toAddresses(inputs: readonly InfisicalTrustedIpInput[]): string[] {
  return inputs.map(({ ipAddress }) => ipAddress.trim());
}

/** In the order they were given, each as it was written. */
export function toTrustedIps(addresses: readonly string[]): InfisicalTrustedIp[] {
  return addresses.map((text) => {
    const entry = parseAddressEntry(text);
    if (!entry) throw new Error('a trusted address is stored that is none');
    const { address, family, prefix } = entry;
    return { ipAddress: address, type: family, ...(prefix !== null && { prefix }) };
  });
}

export function toTokenAuthAnswer(settings: TokenAuthView): InfisicalTokenAuthAnswer {
  return {
    identityTokenAuth: {
      id: settings.id,
      accessTokenTTL: settings.ttlSeconds,
      accessTokenMaxTTL: settings.maxTtlSeconds,
      accessTokenNumUsesLimit: settings.usesLimit,
      accessTokenTrustedIps: toTrustedIps(settings.trustedAddresses),
      createdAt: settings.createdAt.toRfc3339(3),
      updatedAt: settings.updatedAt.toRfc3339(3),
      identityId: settings.identityId,
      accessTokenPeriod: 0,
    },
  };
}

export function toTokenRequest({ name, organizationSlug }: InfisicalCreateToken): IdentityTokenRequest {
  return { name, subOrganization: toSlug(organizationSlug) };
}

export function toSlug(slug: string | undefined): string | undefined {
  return slug?.trim().toLowerCase();
}

export function toPage({ offset, limit }: InfisicalTokenQuery): { offset: number; limit: number } {
  return { offset: Number(offset ?? 0), limit: Number(limit ?? TOKENS_LIMIT) };
}

export function toTokenData(token: Token): InfisicalTokenData {
  return {
    id: token.id,
    accessTokenTTL: token.ttlSeconds ?? 0,
    accessTokenMaxTTL: token.maxTtlSeconds ?? 0,
    accessTokenNumUses: token.useCount,
    accessTokenNumUsesLimit: token.usesLimit ?? 0,
    accessTokenLastUsedAt: token.lastUsedAt?.toRfc3339(3) ?? null,
    accessTokenLastRenewedAt: token.renewedAt?.toRfc3339(3) ?? null,
    isAccessTokenRevoked: token.revokedAt !== null,
    identityUAClientSecretId: token.clientSecretId,
    identityId: token.ownerId,
    createdAt: token.createdAt.toRfc3339(3),
    updatedAt: token.updatedAt.toRfc3339(3),
    name: token.name,
    authMethod: token.clientSecretId === null ? 'token-auth' : 'universal-auth',
    accessTokenPeriod: Number(token.attributes['periodSeconds'] ?? 0),
    subOrganizationId: token.subOrganizationId ?? (token.attributes['subOrganizationId'] as string | undefined) ?? null,
  };
}

/** What every answer with a new secret begins with. */
export function toBearer({ token, secret }: MintedToken): Omit<InfisicalCreatedToken, 'tokenData'> {
  const periodic = token.attributes['periodSeconds'] !== undefined;
  return { accessToken: secret, expiresIn: secondsLeft(token), accessTokenMaxTTL: periodic ? PERIODIC_MAX_TTL : (token.maxTtlSeconds ?? 0), tokenType: 'Bearer' };
}

export function toCreatedToken(minted: MintedToken): InfisicalCreatedToken {
  const { accessToken, expiresIn, accessTokenMaxTTL, tokenType } = toBearer(minted);
  return { accessToken, expiresIn, accessTokenMaxTTL, tokenType, tokenData: toTokenData(minted.token) };
}

/** Since it was minted or renewed, which is now; 0 would say "never", so what is left of the last second is one. */
function secondsLeft({ expiresAt, renewedAt, createdAt }: Token): number {
  return expiresAt === null ? 0 : Math.max(1, expiresAt.secondsSince(renewedAt ?? createdAt));
}
