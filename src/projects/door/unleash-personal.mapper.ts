import { InputInvalid } from '../../kernel/failure.js';
import type { NumberedMint } from '../../tokens/numbered-tokens.js';
import type { MintedToken, Token } from '../../tokens/token.js';
import { parseUnleashDate, toUnleashDate } from './unleash-date.js';
import type { UnleashCreatedPersonalToken, UnleashCreatePersonalToken, UnleashPersonalToken, UnleashPersonalTokens } from './unleash-personal.dto.js';
import { schemaFault, toText } from './unleash-rules.js';

export const PERSONAL_TOKENS_MAX = 10;

export function toNumberedMint({ description, expiresAt }: UnleashCreatePersonalToken): NumberedMint {
  return {
    request: {
      secretPrefix: 'user:',
      description: toText(description) ?? '',
      permissions: 'owner',
      expiresAt: parseUnleashDate(toText(expiresAt) ?? ''),
    },
    limit: PERSONAL_TOKENS_MAX,
  };
}

/** A whole number, however it is spelled. */
export function toTokenNumber(id: string): number {
  const number = Number(id);
  if (id.trim() !== '' && Number.isSafeInteger(number)) return number;
  throw new InputInvalid([{ ...schemaFault('type', '/params/id', 'be integer', id), part: 'path', at: ['id'] }]);
}

export function toPersonalTokens(tokens: readonly Token[]): UnleashPersonalTokens {
  return { pats: tokens.map(toPersonalToken) };
}

export function toCreatedPersonalToken({ token, secret }: MintedToken): UnleashCreatedPersonalToken {
  return { ...toPersonalToken(token), secret };
}

function toPersonalToken(token: Token): UnleashPersonalToken {
  return {
    id: token.number ?? 0,
    description: token.description ?? '',
    expiresAt: token.expiresAt && toUnleashDate(token.expiresAt),
    userId: toUserNumber(token.ownerId),
    createdAt: toUnleashDate(token.createdAt),
    seenAt: token.lastUsedAt && toUnleashDate(token.lastUsedAt),
  };
}

/** People have no numbers here; clients decode one. The first 31 bits of the id: always the same, and not to be asked by. */
function toUserNumber(userId: string): number {
  return Number.parseInt(userId.slice(0, 8), 16) >>> 1;
}
