import { ApiProperty } from '@nestjs/swagger';
import { plainText } from './plain-text.js';
import { Satisfies, type Rule } from './rule.js';

const LIMIT_DEFAULT = 50;

/** How many entries a page has at most, as text of a query. */
export const pageLimit: Rule = (value) =>
  value === undefined || (typeof value === 'string' && /^([1-9]\d?|100)$/.test(value)) ? null : { rule: 'limit', message: 'must be a whole number from 1 to 100' };

/** Which page of a list is asked for. */
export class PageQuery {
  @ApiProperty({ required: false, type: Number, minimum: 1, maximum: 100, default: LIMIT_DEFAULT })
  @Satisfies(pageLimit)
  limit?: string;

  @ApiProperty({ required: false, description: 'The next_cursor of the page before.' })
  @Satisfies(plainText({ min: 1, max: 200, optional: true }))
  cursor?: string;
}

export function limitOf({ limit: text }: Pick<PageQuery, 'limit'>): number {
  return Number(text ?? LIMIT_DEFAULT);
}
