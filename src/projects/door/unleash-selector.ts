import type { TokenReference } from '../project-tokens.service.js';

const SELECTOR = /^[\w-]{22}$/;

/** Names a token in lists and paths without its secret: its id in 22 characters of base64url. */
export function toSelector(tokenId: string): string {
  return Buffer.from(tokenId.replaceAll('-', ''), 'hex').toString('base64url');
}

/** Reads what stands in a path: a selector, or else a whole secret. */
export function toReference(identifier: string): TokenReference {
  const bytes = SELECTOR.test(identifier) ? Buffer.from(identifier, 'base64url') : null;
  if (bytes?.toString('base64url') !== identifier) return { secret: identifier };
  return { id: bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') };
}
