import { ApiProperty } from '@nestjs/swagger';
import { isUuid } from '../kernel/ids.js';
import { NothingElse } from '../kernel/http/nothing-else.js';
import { PageQuery } from '../kernel/http/page-query.js';
import { Satisfies, type Rule } from '../kernel/http/rule.js';

const whose: Rule = (value) => (value === undefined || value === 'me' || value === 'all' || isUuid(value) ? null : { rule: 'user', message: 'must be me, all or the id of a user' });

export class SessionsQuery extends PageQuery {
  @ApiProperty({ required: false, default: 'me', description: '`me`, the id of a user, or `all`. For others than yourself, and with a token, it takes session:read.' })
  @Satisfies(whose)
  user?: string;
}

@NothingElse()
export class EndSessionsQuery {
  @ApiProperty({ required: false, default: 'me', description: '`me`, the id of a user, or `all`. For others than yourself, and with a token, it takes session:write.' })
  @Satisfies(whose)
  user?: string;
}

export class SessionResource {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ format: 'uuid' }) user_id!: string;
  @ApiProperty({ example: 'ada@acme.example' }) email!: string;
  @ApiProperty({ example: true, description: 'Whether it is the one that asks.' }) current!: boolean;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time', description: 'When it was begun or last refreshed.' }) refreshed_at!: string;
  @ApiProperty({ format: 'date-time', description: 'When it ends unless it is refreshed.' }) idle_until!: string;
  @ApiProperty({ format: 'date-time', description: 'When it ends at the latest.' }) expires_at!: string;
  @ApiProperty({ type: String, nullable: true, example: '192.0.2.7', description: 'Where it was begun from.' }) ip!: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'Mozilla/5.0' }) user_agent!: string | null;
}

export class SessionPage {
  @ApiProperty({ type: [SessionResource] }) data!: SessionResource[];
  @ApiProperty({ type: String, nullable: true, description: 'Null on the last page.' }) next_cursor!: string | null;
}

export class SessionsEnded {
  @ApiProperty({ example: 2, description: 'How many.' }) ended!: number;
}
