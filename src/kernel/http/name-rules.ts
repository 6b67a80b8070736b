import { isUuid } from '../ids.js';
import { isReservedSlug, isSingleScript, isSlug } from '../names.js';
import { plainText } from './plain-text.js';
import type { Rule } from './rule.js';

/** What people read and must not take for something else: plain text in letters of one script. */
export function name({ max = 100, optional = false }: { max?: number; optional?: boolean } = {}): Rule {
  const text = plainText({ min: 1, max, optional });
  return (value, body) => {
    const fault = text(value, body);
    if (fault || typeof value !== 'string') return fault;
    if (value.trim() !== value) return { rule: 'trimmed', message: 'must not begin or end with a space' };
    return isSingleScript(value) ? null : { rule: 'singleScript', message: 'must not mix letters of several scripts' };
  };
}

/** What stands in addresses and is compared byte by byte. */
export function slug({ optional = false }: { optional?: boolean } = {}): Rule {
  return (value) => {
    if (value === undefined && optional) return null;
    if (typeof value !== 'string' || !isSlug(value)) {
      return { rule: 'slug', message: 'must have 1 to 63 of a-z, 0-9 and -, and neither begin nor end with -' };
    }
    return isReservedSlug(value) || isUuid(value) ? { rule: 'reserved', message: 'is a reserved word, or has the form of an id' } : null;
  };
}
