import { ApiProperty } from '@nestjs/swagger';
import { plainText } from '../kernel/http/plain-text.js';
import { Satisfies, type Rule } from '../kernel/http/rule.js';
import { isPermissionKey } from '../tokens/permission-pattern.js';

const permissionKey: Rule = (value) =>
  typeof value === 'string' && isPermissionKey(value)
    ? null
    : { rule: 'permission', message: 'must read resource:action or resource:part:action, in lower-case words of a-z, 0-9 and -, with 100 characters at most' };

export class RegisterPermission {
  @ApiProperty({ example: 'invoice:write', description: 'resource[:part]:action' })
  @Satisfies(permissionKey)
  key!: string;

  @ApiProperty({ example: 'Create and change invoices.' })
  @Satisfies(plainText({ min: 1, max: 255 }))
  description!: string;
}

export class PermissionResource {
  @ApiProperty({ example: 'invoice:write', description: 'The key.' }) id!: string;
  @ApiProperty({ example: 'invoice:write' }) key!: string;
  @ApiProperty({ example: 'Create and change invoices.' }) description!: string;
  @ApiProperty({ example: false, description: 'True for those of the service itself.' }) built_in!: boolean;
}

export class PermissionPage {
  @ApiProperty({ type: [PermissionResource] }) data!: PermissionResource[];
  @ApiProperty({ type: String, nullable: true, description: 'Null on the last page.' }) next_cursor!: string | null;
}
