import { ApiHideProperty, ApiProperty } from '@nestjs/swagger';
import { name } from '../kernel/http/name-rules.js';
import { Satisfies, type Rule } from '../kernel/http/rule.js';
import { isProjectKey, isReservedKey } from './project-key.js';

const key: Rule = (value) => {
  if (typeof value !== 'string' || !isProjectKey(value)) {
    return { rule: 'key', message: 'must have 1 to 100 of a-z, 0-9, ., _ and -, and begin with a letter or digit' };
  }
  return isReservedKey(value) ? { rule: 'reserved', message: 'is a reserved word, or has the form of an id' } : null;
};

/** Tokens and addresses have the key in them. */
const fixed: Rule = (value) => (value === undefined ? null : { rule: 'fixed', message: 'cannot be changed' });

export class CreateProject {
  @ApiProperty({ example: 'checkout', pattern: '^[a-z0-9][a-z0-9._-]{0,99}$', description: 'Unique in the organization; stands in paths and before secrets, and stays as it is.' })
  @Satisfies(key)
  key!: string;

  @ApiProperty({ example: 'Checkout', maxLength: 100, description: 'Unique in the organization, whatever its case or form.' })
  @Satisfies(name())
  name!: string;
}

export class UpdateProject {
  @ApiHideProperty()
  @Satisfies(fixed)
  key?: unknown;

  @ApiProperty({ required: false, example: 'Checkout', maxLength: 100 })
  @Satisfies(name({ optional: true }))
  name?: string;
}

export class ProjectResource {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ example: 'checkout' }) key!: string;
  @ApiProperty({ example: 'Checkout' }) name!: string;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) updated_at!: string;
}

export class ProjectPage {
  @ApiProperty({ type: [ProjectResource] }) data!: ProjectResource[];
  @ApiProperty({ type: String, nullable: true, description: 'Null on the last page.' }) next_cursor!: string | null;
}

export class CreateEnvironment {
  @ApiProperty({ example: 'staging', pattern: '^[a-z0-9][a-z0-9._-]{0,99}$', description: 'Unique in the project; stands in paths and before secrets, and stays as it is.' })
  @Satisfies(key)
  key!: string;

  @ApiProperty({ example: 'Staging', maxLength: 100, description: 'Unique in the project, whatever its case or form.' })
  @Satisfies(name())
  name!: string;
}

export class UpdateEnvironment {
  @ApiHideProperty()
  @Satisfies(fixed)
  key?: unknown;

  @ApiProperty({ required: false, example: 'Staging', maxLength: 100 })
  @Satisfies(name({ optional: true }))
  name?: string;
}

export class EnvironmentResource {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ example: 'staging' }) key!: string;
  @ApiProperty({ example: 'Staging' }) name!: string;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) updated_at!: string;
}

export class EnvironmentPage {
  @ApiProperty({ type: [EnvironmentResource] }) data!: EnvironmentResource[];
  @ApiProperty({ type: String, nullable: true, description: 'Null on the last page.' }) next_cursor!: string | null;
}
