import { ApiProperty } from '@nestjs/swagger';
import { flag } from '../kernel/http/flag-rule.js';
import { NothingElse } from '../kernel/http/nothing-else.js';
import { plainText } from '../kernel/http/plain-text.js';
import { ProblemFault } from '../kernel/http/problem.js';
import { Satisfies, type Rule } from '../kernel/http/rule.js';
import { isUuid } from '../kernel/ids.js';
import { addresses, listOf, metadata, orNull, permissions } from '../inventory/token-change.dto.js';
import { oneOf, time } from '../inventory/token-filter.dto.js';
import { HASH_ALGORITHMS, readDigest, type HashAlgorithm } from '../tokens/foreign-digest.js';
import { SECRET_LENGTH_MAX } from '../tokens/token-secret.js';
import { TOKEN_KINDS, type TokenKind, type TokenMetadata } from '../tokens/token.js';

export const ROWS_MAX = 1_000;
/** A thousand rows of the usual size, with room. */
export const BODY_BYTES_MAX = 2 * 1024 * 1024;
export const SECRET_LENGTH_MIN = 16;
const PLAIN = 'plain';
export const ALGORITHMS = [PLAIN, ...HASH_ALGORITHMS] as const;
export type Algorithm = typeof PLAIN | HashAlgorithm;

/** Visible ASCII: nothing else comes through an Authorization header as it is. */
const SECRET = /^[\x21-\x7e]+$/;

/** Also as others spell them: `SHA-256`, `sha256:hex`, `SHA256_BASE64URL`. */
const SPELLINGS: ReadonlyMap<string, Algorithm> = new Map(ALGORITHMS.map((algorithm) => [bare(algorithm), algorithm]));

function bare(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]/g, '');
}

/** Null for a word that stands for none. */
export function toAlgorithm(text: string): Algorithm | null {
  return SPELLINGS.get(bare(text)) ?? null;
}

/** Where none is said, a hash is refused and a secret is one. */
const algorithm: Rule = (value, { hash }) => {
  if (value === undefined && hash === undefined) return null;
  const named = typeof value === 'string' ? toAlgorithm(value) : null;
  if (named === null) return { rule: 'isIn', message: `must be one of ${ALGORITHMS.join(', ')}` };
  if (hash === undefined) return named === PLAIN ? null : { rule: 'algorithm', message: 'must be plain, or left out, beside secret' };
  return named === PLAIN ? { rule: 'algorithm', message: 'must name the algorithm of the hash' } : null;
};

const hash: Rule = (value, { secret, algorithm: said }) => {
  if (value === undefined) return secret === undefined ? { rule: 'required', message: 'must be there, or secret' } : null;
  if (secret !== undefined) return { rule: 'either', message: 'must not be there beside secret' };
  const named = typeof said === 'string' ? toAlgorithm(said) : null;
  if (named === null || named === PLAIN) return null;
  return typeof value === 'string' && readDigest(named, value) ? null : { rule: 'digest', message: `must be 32 bytes in the encoding of ${named}` };
};

const secret: Rule = (value) =>
  value === undefined || (typeof value === 'string' && value.length >= SECRET_LENGTH_MIN && value.length <= SECRET_LENGTH_MAX && SECRET.test(value))
    ? null
    : { rule: 'secret', message: `must have ${SECRET_LENGTH_MIN} to ${SECRET_LENGTH_MAX} visible ASCII characters and no space` };

const ownerId: Rule = (value, { kind }) => {
  if (value === undefined || value === null) return kind === 'user' || kind === 'machine-identity' ? { rule: 'required', message: `must name the owner of a token of the kind ${kind}` } : null;
  return typeof value === 'string' && isUuid(value) ? null : { rule: 'isUuid', message: 'must be an id' };
};

const projects = listOf(0, (text) => (text.length <= 255 ? null : 'must be the key of a project'));
const environment: Rule = (value, { kind }) => {
  if (value === undefined || value === null || kind === 'project') return orNull(plainText({ min: 1, max: 255, optional: true }))(value, {});
  return { rule: 'kind', message: 'is for tokens of the kind project alone' };
};

const rows: Rule = (value) =>
  Array.isArray(value) && value.length >= 1 && value.length <= ROWS_MAX ? null : { rule: 'size', message: `must be a list of 1 to ${ROWS_MAX} tokens`, value: undefined };

/** One token that was issued elsewhere. */
@NothingElse()
export class ImportRow {
  @ApiProperty({ required: false, example: 'n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg=', description: 'SHA-256 of the secret, as `algorithm` says. Either this or `secret`.' })
  @Satisfies(hash)
  hash?: string;

  @ApiProperty({ required: false, minLength: SECRET_LENGTH_MIN, maxLength: SECRET_LENGTH_MAX, description: 'The secret itself. It is neither stored nor logged.' })
  @Satisfies(secret)
  secret?: string;

  @ApiProperty({ required: false, enum: ALGORITHMS, example: 'sha256-base64url', description: '`sha256` tells hexadecimal, base64 and base64url apart by itself. Needed beside `hash`; `plain` is what `secret` is.' })
  @Satisfies(algorithm)
  algorithm?: string;

  @ApiProperty({ enum: TOKEN_KINDS, example: 'auth-method' })
  @Satisfies((value, body) => (value === undefined ? { rule: 'required', message: `must be one of ${TOKEN_KINDS.join(', ')}` } : oneOf(TOKEN_KINDS)(value, body)))
  kind!: TokenKind;

  @ApiProperty({
    required: false,
    type: String,
    nullable: true,
    format: 'uuid',
    description: 'Id of the person or machine identity; needed for these kinds. For the kind `project` that of its project, for `organization` a member’s where the token is personal; otherwise the organization owns it.',
  })
  @Satisfies(ownerId)
  owner_id?: string | null;

  @ApiProperty({ required: false, type: String, nullable: true, example: 'deploy', maxLength: 255 })
  @Satisfies(orNull(plainText({ min: 1, max: 255, optional: true })))
  name?: string | null;

  @ApiProperty({ required: false, type: String, nullable: true, maxLength: 1000 })
  @Satisfies(orNull(plainText({ min: 0, max: 1_000, optional: true })))
  description?: string | null;

  @ApiProperty({ required: false, type: [String], nullable: true, example: ['auth-method:token:read'], description: 'What it may do; needed for a token of another person. Left out, all that its owner may at the time of use, where that is you or a machine, and nothing where a project or the organization owns it.' })
  @Satisfies(orNull(permissions))
  permissions?: string[] | null;

  @ApiProperty({ required: false, type: [String], nullable: true, example: ['default'], description: 'Keys of the projects it is limited to; `*`, or left out: all, or the one that owns it.' })
  @Satisfies(orNull(projects))
  projects?: string[] | null;

  @ApiProperty({ required: false, type: String, nullable: true, example: 'production', description: 'Key of an environment of each of its projects; for the kind `project`.' })
  @Satisfies(environment)
  environment?: string | null;

  @ApiProperty({ required: false, type: String, nullable: true, format: 'date-time', description: 'When it ends; null: never, where policies allow that.' })
  @Satisfies(orNull(time))
  expires_at?: string | null;

  @ApiProperty({ required: false, type: [String], nullable: true, example: ['10.0.0.0/8'] })
  @Satisfies(orNull(addresses))
  allowed_addresses?: string[] | null;

  @ApiProperty({ selfRequired: false, type: 'object', additionalProperties: true, example: { source: 'flipt' }, description: 'What people write beside it; up to 20 members.' })
  @Satisfies(metadata)
  metadata?: TokenMetadata;
}

export class ImportTokens {
  @ApiProperty({ type: [ImportRow], minItems: 1, maxItems: ROWS_MAX })
  @Satisfies(rows)
  tokens!: unknown[];

  @ApiProperty({ required: false, default: false, description: 'Takes nothing, only says what would become of each row.' })
  @Satisfies(flag)
  dry_run?: boolean;
}

export class ImportError {
  @ApiProperty({ example: 'conflict', description: 'A code of docs/errors.md.' }) code!: string;
  @ApiProperty({ example: 'A token of the organization has this secret already.' }) detail!: string;
  @ApiProperty({ required: false, example: 'already-imported', description: 'With `conflict`, what it is about.' }) reason?: string;
  @ApiProperty({ required: false, type: [String], description: 'Permissions that were missing.' }) permissions?: string[];
  @ApiProperty({ required: false, type: [String], description: 'Rules of the policy that would be broken.' }) rules?: string[];
  @ApiProperty({ required: false, type: [ProblemFault], description: 'What is wrong with the row, by member.' }) errors?: ProblemFault[];
}

export class ImportResult {
  @ApiProperty({ example: 0, description: 'Place of the row in the request, from 0.' }) index!: number;
  @ApiProperty({ enum: ['imported', 'refused'] }) status!: 'imported' | 'refused';
  @ApiProperty({ type: String, nullable: true, format: 'uuid', description: 'Id of the token; null where there is none.' }) id!: string | null;
  @ApiProperty({ type: ImportError, nullable: true, description: 'Why it was refused.' }) error!: ImportError | null;
}

export class ImportOutcomes {
  @ApiProperty({ type: [ImportResult] }) results!: ImportResult[];
  @ApiProperty({ example: 998 }) imported!: number;
  @ApiProperty({ example: 2 }) refused!: number;
}
