/** What identifies something in an address: lower-case ASCII words, 1 to 63 characters. */
const SLUG = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Words that mean something of their own where a slug may stand, or that could pass for the service itself. */
const RESERVED = new Set([
  'admin', 'administrator', 'all', 'any', 'anonymous', 'api', 'app', 'auth', 'current', 'custom', 'default', 'docs', 'edge', 'everyone', 'external',
  'gatehouse', 'global', 'health', 'internal', 'login', 'logout', 'me', 'member', 'members', 'metrics', 'new', 'no-access', 'nobody', 'none', 'null',
  'oauth', 'oauth2', 'operator', 'organization', 'organizations', 'owner', 'platform', 'public', 'root', 'security', 'self', 'service', 'session', 'signup',
  'staff', 'static', 'status', 'support', 'system', 'tenant', 'token', 'tokens', 'undefined', 'user', 'users', 'v1', 'v2', 'well-known', 'www',
]);

const SCRIPTS = [
  'Latin', 'Cyrillic', 'Greek', 'Arabic', 'Armenian', 'Bengali', 'Devanagari', 'Ethiopic', 'Georgian', 'Gujarati', 'Gurmukhi', 'Hebrew', 'Kannada', 'Khmer',
  'Lao', 'Malayalam', 'Myanmar', 'Oriya', 'Sinhala', 'Tamil', 'Telugu', 'Thaana', 'Thai', 'Tibetan',
  // Written together, and with Latin, as a matter of course (UTS #39, "highly restrictive").
  'Latin Han Hiragana Katakana', 'Latin Han Bopomofo', 'Latin Han Hangul',
].map((scripts) => {
  const letters = scripts.split(' ').map((script) => `\\p{Script_Extensions=${script}}`).join('');
  return new RegExp(`^[${letters}\\p{Script=Common}\\p{Script=Inherited}]*$`, 'u');
});

/** The text as it is compared: names that differ in case, width, ligatures, spaces or what cannot be seen are one name. */
export function foldName(text: string): string {
  // Taken apart first, then upper case: that undoes what has several lower-case forms, such as ß, ſ, ς and the dotless ı.
  const fold = (each: string): string => each.normalize('NFKD').replace(/\p{Default_Ignorable_Code_Point}/gu, '').toUpperCase().toLowerCase().normalize('NFKC');
  return fold(fold(text)).replace(/\s+/gu, ' ').trim();
}

/** True for text whose letters belong together, so that none of them passes for a letter of another script. */
export function isSingleScript(text: string): boolean {
  return SCRIPTS.some((script) => script.test(text));
}

export function isSlug(text: string): boolean {
  return SLUG.test(text);
}

export function isReservedSlug(slug: string): boolean {
  return RESERVED.has(slug);
}
