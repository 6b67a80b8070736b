import { ApiProperty } from '@nestjs/swagger';
import { Satisfies, type Rule } from '../../kernel/http/rule.js';
import { field, integer, lastOf } from './pydantic.js';
import { uuid } from './pydantic-uuid.js';

export const LIMIT_DEFAULT = 10;
const LIMIT_MAX = 100;

/** What the parameters of a page are, as text in a query. */
export const PAGE_FIELDS = {
  limit: lastOf(integer({ minimum: 1, maximum: LIMIT_MAX })),
  before: lastOf(uuid),
  after: lastOf(uuid),
  page_number: lastOf(integer({ minimum: 1 })),
};

/** The three ways to say where a page begins exclude each other. */
function alone(rule: Rule, others: readonly string[]): Rule {
  return (value, query) => {
    const faults = rule(value, query);
    const other = others.find((name) => query[name] !== undefined);
    if (faults || value === undefined || other === undefined) return faults;
    return { rule: 'value_error', message: `Value error, cannot be combined with ${other}`, value: Array.isArray(value) ? value.at(-1) : value, context: { error: {} } };
  };
}

export class DeepsetPageQuery {
  @ApiProperty({ type: 'integer', required: false, minimum: 1, maximum: LIMIT_MAX, default: LIMIT_DEFAULT, description: 'The number of entries to display.' })
  @Satisfies(field(PAGE_FIELDS.limit))
  limit?: unknown;

  @ApiProperty({ type: String, required: false, format: 'uuid', description: 'See the entries before this one, which are newer; without page_number.' })
  @Satisfies(field(PAGE_FIELDS.before))
  before?: unknown;

  @ApiProperty({ type: String, required: false, format: 'uuid', description: 'See the entries after this one, which are older; without page_number.' })
  @Satisfies(alone(field(PAGE_FIELDS.after), ['before']))
  after?: unknown;

  @ApiProperty({ type: 'integer', required: false, minimum: 1, description: 'The number of the page you want to see.' })
  @Satisfies(alone(field(PAGE_FIELDS.page_number), ['before', 'after']))
  page_number?: unknown;
}
