import { isStorable } from '../../kernel/http/plain-text.js';
import type { Fault, Rule } from '../../kernel/http/rule.js';
import { faultOfPhpDate } from './php-date.js';

const DESCRIPTION_LENGTH = { min: 3, max: 255 };
/** Symfony's own codes of its Length constraint. */
const TOO_SHORT = '9ff3fdc4-b214-49db-8718-39c315e33d45';
const TOO_LONG = 'd94b19cc-114f-4f44-9cc4-4138e80a87b9';

const WHOLE_NUMBER = /^\d{1,15}$/;

/** Null, or text of 3 to 255 code points. */
export const description: Rule = (value) => {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') return wrongType('description', value);
  // PHP's JSON refuses half a pair before anyone looks at the attribute.
  if (!value.isWellFormed()) return { rule: 'unstorable', message: 'Single unpaired high surrogate in Unicode escape' };
  if (!isStorable(value)) return { rule: 'unstorable', message: 'The value of the "description" attribute is not valid text.' };
  const length = [...value].length;
  if (length < DESCRIPTION_LENGTH.min) return { rule: TOO_SHORT, message: 'This value is too short. It should have 3 characters or more.' };
  return length > DESCRIPTION_LENGTH.max ? { rule: TOO_LONG, message: 'This value is too long. It should have 255 characters or less.' } : null;
};

/** Null, or a date-time of RFC 3339. */
export const expiresAt: Rule = (value) => {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') return wrongType('expiresAt', value);
  const message = faultOfPhpDate(value);
  return message === null ? null : { rule: 'date', message };
};

/** Number of the page, from 1; empty stands for the first. */
export const page: Rule = (value, query) => {
  if (!isWholeNumber(value, 1)) return { rule: 'page', message: 'Page should not be less than 1' };
  return Number(query['limit'] || 1) === 0 && Number(value || 1) > 1 ? { rule: 'page', message: 'Page should not be greater than 1 if limit is equal to 0' } : null;
};

/** Number of items on a page; empty stands for the default. */
export const limit: Rule = (value) => (isWholeNumber(value, 0) ? null : { rule: 'limit', message: 'Limit should not be less than 0' });

function isWholeNumber(value: unknown, min: number): boolean {
  if (value === undefined || value === '') return true;
  return typeof value === 'string' && WHOLE_NUMBER.test(value) && Number(value) >= min;
}

function wrongType(attribute: string, value: unknown): Fault {
  return { rule: 'type', message: `The type of the "${attribute}" attribute must be "string", "${phpTypeOf(value)}" given.` };
}

function phpTypeOf(value: unknown): string {
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'float';
  return 'array';
}
