import type { CredentialKind } from '../../access/require-permission.js';
import { TOKEN_KINDS } from '../../tokens/token.js';

/** Who may manage tokens: anyone but the tokens of projects, which are for SDKs. */
export const MANAGERS: readonly CredentialKind[] = ['session', ...TOKEN_KINDS.filter((kind) => kind !== 'project')];

/** Who SDKs come as. */
export const SDKS: readonly CredentialKind[] = ['project'];

/** Unleash sends these very words with a new token, whatever the path was. */
export const LOCATION = {
  value: 'api-tokens',
  documented: { location: { description: 'Always `api-tokens`.', schema: { type: 'string' as const, example: 'api-tokens' } } },
};
