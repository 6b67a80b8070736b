import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Satisfies } from '../../kernel/http/rule.js';
import { AUTH_METHODS, limitParameter, methodParameter, pageTokenParameter, text, textMap, timestamp, timestampParameter, unless } from './flipt-rules.js';

const SNAKE = 'The same under its proto name; counts where the camel-case name is not given.';

export class FliptCreateToken {
  @ApiProperty({ type: String, required: false, nullable: true, example: 'access_all_areas' })
  @Satisfies(text)
  name?: string | null;

  @ApiProperty({ type: String, required: false, nullable: true, example: 'keys to the castle' })
  @Satisfies(text)
  description?: string | null;

  @ApiProperty({ type: String, required: false, nullable: true, format: 'date-time', example: '2031-01-01T00:00:00Z', description: 'Left out: the token never expires.' })
  @Satisfies(timestamp)
  expiresAt?: string | null;

  @ApiProperty({ type: String, required: false, nullable: true, format: 'date-time', example: '2031-01-01T00:00:00Z', description: SNAKE })
  @Satisfies(unless('expiresAt', timestamp))
  expires_at?: string | null;

  @ApiProperty({ type: String, required: false, nullable: true, example: '', description: 'Key of the project the token is limited to; such a token is refused at all of /auth/v1.' })
  @Satisfies(text)
  namespaceKey?: string | null;

  @ApiProperty({ type: String, required: false, nullable: true, example: '', description: SNAKE })
  @Satisfies(unless('namespaceKey', text))
  namespace_key?: string | null;

  @ApiPropertyOptional({ type: 'object', additionalProperties: { type: 'string' }, nullable: true, example: { team: 'billing' }, description: 'Shown again with the token; gives no rights.' })
  @Satisfies(textMap)
  metadata?: Readonly<Record<string, string | null>> | null;
}

export class FliptTokenQuery {
  @ApiProperty({ required: false, enum: AUTH_METHODS, description: 'Name or number; METHOD_NONE for all.' })
  @Satisfies(methodParameter)
  method?: string;

  @ApiProperty({ required: false, type: Number, default: 25, maximum: 100, description: 'More than 100 is read as 100.' })
  @Satisfies(limitParameter)
  limit?: string;

  @ApiProperty({ required: false, description: 'The nextPageToken of the page before.' })
  @Satisfies(pageTokenParameter)
  pageToken?: string;

  @ApiProperty({ required: false, description: SNAKE })
  @Satisfies(pageTokenParameter)
  page_token?: string;
}

export class FliptExpireQuery {
  @ApiProperty({ required: false, format: 'date-time', example: '2031-01-01T00:00:00Z', description: 'When to expire; now where left out.' })
  @Satisfies(timestampParameter)
  expiresAt?: string;

  @ApiProperty({ required: false, format: 'date-time', description: SNAKE })
  @Satisfies(unless('expiresAt', timestampParameter))
  expires_at?: string;
}

export class FliptExpireSelf {
  @ApiProperty({ type: String, required: false, nullable: true, format: 'date-time', example: '2031-01-01T00:00:00Z', description: 'Counts where the query says nothing.' })
  @Satisfies(timestamp)
  expiresAt?: string | null;

  @ApiProperty({ type: String, required: false, nullable: true, format: 'date-time', description: SNAKE })
  @Satisfies(unless('expiresAt', timestamp))
  expires_at?: string | null;
}

export class FliptAuthentication {
  @ApiProperty({ format: 'uuid', example: '7e6b2f2c-3b1d-4c1e-9a55-0d2f6a1c9b11' })
  id!: string;

  @ApiProperty({ enum: AUTH_METHODS, example: 'METHOD_TOKEN' })
  method!: (typeof AUTH_METHODS)[number];

  @ApiProperty({ type: String, nullable: true, format: 'date-time', example: null })
  expiresAt!: string | null;

  @ApiProperty({ format: 'date-time', example: '2026-02-20T13:39:14.123456Z' })
  createdAt!: string;

  @ApiProperty({ format: 'date-time', example: '2026-02-20T13:39:14.123456Z' })
  updatedAt!: string;

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    example: { 'io.flipt.auth.token.description': 'keys to the castle', 'io.flipt.auth.token.name': 'access_all_areas' },
  })
  metadata!: ReadonlyMap<string, string>;
}

export class FliptCreatedToken {
  @ApiProperty({ example: 'svc_…', description: 'The secret; it is shown this once.' })
  clientToken!: string;

  @ApiProperty({ type: FliptAuthentication })
  authentication!: FliptAuthentication;
}

export class FliptTokenList {
  @ApiProperty({ type: [FliptAuthentication] })
  authentications!: FliptAuthentication[];

  @ApiProperty({ example: '', description: 'Empty on the last page.' })
  nextPageToken!: string;
}

export class FliptMethod {
  @ApiProperty({ enum: AUTH_METHODS, example: 'METHOD_TOKEN' })
  method!: (typeof AUTH_METHODS)[number];

  @ApiProperty({ example: true })
  enabled!: boolean;

  @ApiProperty({ example: false, description: 'Whether a browser session can come of it.' })
  sessionCompatible!: boolean;

  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true, example: null })
  metadata!: null;
}

export class FliptMethodList {
  @ApiProperty({ type: [FliptMethod] })
  methods!: FliptMethod[];
}

/** gRPC's status as its gateway writes it. */
export class FliptStatus {
  @ApiProperty({ example: 16, description: 'Code of gRPC.' })
  code!: number;

  @ApiProperty({ example: 'request was not authenticated' })
  message!: string;

  @ApiProperty({ type: [Object], example: [] })
  details!: object[];
}
