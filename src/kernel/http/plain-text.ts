import type { Rule } from './rule.js';

/**
 * C0, C1, line and paragraph separators, zero-width, bidirectional and other format characters, private use, unassigned,
 * lone surrogates; letters that show nothing, such as the Hangul filler, and the blank of Braille. What chooses the look of
 * an emoji is let through.
 */
const UNCLEAN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\u2800]|(?![\uFE00-\uFE0F])\p{Default_Ignorable_Code_Point}/u;

/** True for text that reads the same to everyone: no control, invisible or unassigned characters, no half pairs. */
export function isPlainText(text: string): boolean {
  return !UNCLEAN.test(text);
}

/** True for text that PostgreSQL stores as it is: well-formed and without NUL. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

/** Text of so many characters, of our own routes. */
export function plainText(limits: { min: number; max: number; optional?: boolean }): Rule {
  return (value) => {
    if (value === undefined && limits.optional) return null;
    if (typeof value !== 'string') return { rule: 'isString', message: 'must be a string' };
    const length = [...value].length;
    if (length < limits.min || length > limits.max) return { rule: 'length', message: `must have ${limits.min} to ${limits.max} characters` };
    return isPlainText(value) ? null : { rule: 'plainText', message: 'must not contain control or invisible characters' };
  };
}
