import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';
import { name, slug } from '../kernel/http/name-rules.js';
import { Satisfies, type Fault, type Rule } from '../kernel/http/rule.js';
import { isPermissionPattern } from '../tokens/permission-pattern.js';

const PERMISSIONS_MAX = 200;

function permissions({ optional = false } = {}): Rule {
  return (value): readonly Fault[] | Fault | null => {
    if (value === undefined && optional) return null;
    if (!Array.isArray(value)) return { rule: 'isArray', message: 'must be a list of permissions' };
    if (value.length > PERMISSIONS_MAX) return { rule: 'length', message: `must have at most ${PERMISSIONS_MAX} entries` };
    return value.flatMap((entry: unknown, place) =>
      typeof entry === 'string' && isPermissionPattern(entry)
        ? []
        : [{ at: [place], rule: 'permission', message: 'must read resource:action or resource:part:action, where * may stand for one whole segment' }]);
  };
}

const PERMISSIONS = {
  type: [String],
  maxItems: PERMISSIONS_MAX,
  example: ['invoice:*', 'token:read'],
  description: '`*` stands for any one segment, also in permissions that are registered later.',
} satisfies ApiPropertyOptions;

export class CreateRole {
  @ApiProperty({ example: 'accounting', description: 'Unique in the organization.' })
  @Satisfies(slug())
  key!: string;

  @ApiProperty({ example: 'Accounting', description: 'Unique in the organization, whatever its case or form.' })
  @Satisfies(name())
  name!: string;

  @ApiProperty(PERMISSIONS)
  @Satisfies(permissions())
  permissions!: string[];
}

export class UpdateRole {
  @ApiProperty({ required: false, example: 'accounting' })
  @Satisfies(slug({ optional: true }))
  key?: string;

  @ApiProperty({ required: false, example: 'Accounting' })
  @Satisfies(name({ optional: true }))
  name?: string;

  @ApiProperty({ ...PERMISSIONS, required: false })
  @Satisfies(permissions({ optional: true }))
  permissions?: string[];
}

export class RoleResource {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ example: 'accounting' }) key!: string;
  @ApiProperty({ example: 'Accounting' }) name!: string;
  @ApiProperty({ example: false, description: 'Built-in roles cannot be changed.' }) built_in!: boolean;
  @ApiProperty({ type: [String], example: ['invoice:*', 'token:read'], description: 'As they were written.' }) permissions!: string[];
  @ApiProperty({ type: [String], example: ['invoice:read', 'invoice:write', 'token:read'], description: 'What they come to at this moment.' }) effective_permissions!: string[];
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) updated_at!: string;
}

export class RolePage {
  @ApiProperty({ type: [RoleResource] }) data!: RoleResource[];
  @ApiProperty({ type: String, nullable: true, description: 'Null on the last page.' }) next_cursor!: string | null;
}
