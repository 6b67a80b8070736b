const TEXT_LENGTH_MAX = 128;
/** Longer than any word or id, and as long as the secrets are: ours, the parts of a JWT, most others'. */
const SECRET = /[0-9A-Za-z_+/-]{40,}/g;

/** An input as an error may repeat it: what could be a secret is starred, and long text is cut. */
export function toEcho(input: unknown): unknown {
  if (typeof input === 'string') return toHarmless(input);
  if (Array.isArray(input)) return input.map(toEcho);
  if (typeof input === 'object' && input !== null) {
    return Object.fromEntries(Object.entries(input).map(([key, value]) => [toHarmless(key), toEcho(value)]));
  }
  return input ?? null;
}

function toHarmless(text: string): string {
  const starred = text.replace(SECRET, '**********');
  return starred.length > TEXT_LENGTH_MAX ? `${[...starred].slice(0, TEXT_LENGTH_MAX).join('')}…` : starred;
}
