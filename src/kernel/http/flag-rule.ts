import type { Rule } from './rule.js';

/** True, false or left out. */
export const flag: Rule = (value) => (value === undefined || typeof value === 'boolean' ? null : { rule: 'isBoolean', message: 'must be true or false' });
