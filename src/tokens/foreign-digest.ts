/** What other systems call a hash of their secrets; the encoding can be said or is told from the look. */
export const HASH_ALGORITHMS = ['sha256', 'sha256-hex', 'sha256-base64', 'sha256-base64url'] as const;
export type HashAlgorithm = (typeof HASH_ALGORITHMS)[number];

const BYTES = 32;
const ENCODINGS = {
  hex: /^[0-9A-Fa-f]{64}$/,
  base64: /^[A-Za-z0-9+/]{43}=?$/,
  base64url: /^[A-Za-z0-9_-]{43}=?$/,
} as const;
type Encoding = keyof typeof ENCODINGS;

const OF: Record<HashAlgorithm, readonly Encoding[]> = {
  'sha256': ['hex', 'base64', 'base64url'],
  'sha256-hex': ['hex'],
  'sha256-base64': ['base64'],
  'sha256-base64url': ['base64url'],
};

/** The digest that the text stands for; null for text that is none in this encoding, exactly. Padding may be left out. */
export function readDigest(algorithm: HashAlgorithm, text: string): Buffer | null {
  const encoding = OF[algorithm].find((each) => ENCODINGS[each].test(text));
  if (!encoding) return null;
  const digest = Buffer.from(text, encoding);
  // The last character could carry bits of nothing: one digest, one text.
  const isExact = digest.toString(encoding).replace(/=$/, '') === (encoding === 'hex' ? text.toLowerCase() : text.replace(/=$/, ''));
  return digest.length === BYTES && isExact ? digest : null;
}
