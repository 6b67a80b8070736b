import { randomInt } from 'node:crypto';
import { requireUser, type Principal } from '../../access/principal.js';
import type { MintedToken, MintRequest } from '../../tokens/token.js';
import { FYNN_SECRET_PREFIX } from './fynn.door.js';
import type { FynnCreatedToken, FynnCreateToken } from './fynn.dto.js';
import { parsePhpDate, toPhpDate } from './php-date.js';

const ID_ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const ID_LENGTH = 20;

export function toMintRequest(principal: Principal, { description = null, expiresAt = null }: FynnCreateToken): MintRequest {
  return {
    kind: 'user',
    owner: { userId: requireUser(principal).id },
    secretPrefix: FYNN_SECRET_PREFIX,
    shortId: drawFynnId(),
    description,
    permissions: 'owner',
    expiresAt: expiresAt === null ? null : parsePhpDate(expiresAt),
  };
}

export function toCreatedToken({ token, secret }: MintedToken): FynnCreatedToken {
  return {
    id: token.shortId ?? token.id,
    token: secret,
    description: token.description,
    expiresAt: token.expiresAt && toPhpDate(token.expiresAt),
  };
}

/** Independent of the secret: ids are listed later. */
function drawFynnId(): string {
  return Array.from({ length: ID_LENGTH }, () => ID_ALPHABET[randomInt(ID_ALPHABET.length)]).join('');
}
