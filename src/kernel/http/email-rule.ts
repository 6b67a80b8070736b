import { plainText } from './plain-text.js';
import type { Rule } from './rule.js';

const text = plainText({ min: 3, max: 320 });

/** Has the shape of an e-mail address; whether somebody reads there is known only when somebody has answered. */
export const email: Rule = (value, body) =>
  text(value, body) ?? (/^[^\s@]+@[^\s@]+$/.test((value as string).trim()) ? null : { rule: 'isEmail', message: 'must be an e-mail address' });
