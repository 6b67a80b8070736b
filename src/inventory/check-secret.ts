import { hasValidChecksum } from '../tokens/token-secret.js';

/** What a secret is told by, in the order it is tried. The 49 characters behind the look are the same in all. */
export const LOOKS: readonly { readonly pattern: RegExp; readonly of: string }[] = [
  { pattern: /^api_/, of: 'a token of a person or an organization' },
  { pattern: /^idt_/, of: 'a token of a machine identity' },
  { pattern: /^svc_/, of: 'a token of an auth method' },
  { pattern: /^ics_/, of: 'the client secret of a machine identity' },
  { pattern: /^rft_/, of: 'the refresh token of a session' },
  { pattern: /^inv_/, of: 'an invitation' },
  { pattern: /^[^:.\s]+:[^:.\s]+\./, of: 'a token of a project' },
];

/** Says offline whether a string is a secret as we draw them; whether it is still good only the service knows. */
export function checkSecret(candidate: string): { readonly isSecret: boolean; readonly says: string } {
  if (!hasValidChecksum(candidate)) return { isSecret: false, says: 'No secret of ours: the last six characters are not the checksum of what stands before them.' };
  const look = LOOKS.find(({ pattern }) => pattern.test(candidate));
  return { isSecret: true, says: `The checksum is right: this is the secret of ${look?.of ?? 'something we do not know by its look'}. Whether it is still good, ask POST /v1/tokens/lookup.` };
}
