import { ApiProperty } from '@nestjs/swagger';
import { flag } from '../kernel/http/flag-rule.js';
import { name } from '../kernel/http/name-rules.js';
import { plainText } from '../kernel/http/plain-text.js';
import { Satisfies, type Rule } from '../kernel/http/rule.js';
import type { LoginMethod } from './access-token-settings.js';

const LOGIN_METHODS = ['token-auth', 'universal-auth'];

const roleKey: Rule = (value, body) => (value === null ? null : plainText({ min: 1, max: 100, optional: true })(value, body));

const ROLE = { type: String, required: false, nullable: true, example: 'MEMBER', description: 'Key of a role, of which you hold all that it allows; null for no access.' };
const DELETE_PROTECTED = { type: Boolean, required: false, description: 'While true, nobody can delete it.' };

export class CreateMachineIdentity {
  @ApiProperty({ example: 'deployer', maxLength: 100, description: 'Need not be unique.' })
  @Satisfies(name())
  name!: string;

  @ApiProperty({ ...ROLE, default: null })
  @Satisfies(roleKey)
  role?: string | null;

  @ApiProperty({ ...DELETE_PROTECTED, default: false })
  @Satisfies(flag)
  delete_protected?: boolean;
}

export class UpdateMachineIdentity {
  @ApiProperty({ required: false, example: 'deployer', maxLength: 100 })
  @Satisfies(name({ optional: true }))
  name?: string;

  @ApiProperty(ROLE)
  @Satisfies(roleKey)
  role?: string | null;

  @ApiProperty(DELETE_PROTECTED)
  @Satisfies(flag)
  delete_protected?: boolean;
}

export class MachineIdentityResource {
  @ApiProperty({ format: 'uuid', description: 'The owner_id of its tokens in the inventory.' }) id!: string;
  @ApiProperty({ example: 'deployer' }) name!: string;
  @ApiProperty({ type: String, nullable: true, example: 'MEMBER', description: 'Key of its role; null for no access.' }) role!: string | null;
  @ApiProperty({ example: false }) delete_protected!: boolean;
  @ApiProperty({ enum: LOGIN_METHODS, isArray: true, description: 'The ways in which it can come by tokens.' }) login_methods!: LoginMethod[];
  @ApiProperty({ type: String, nullable: true, format: 'date-time' }) last_login_at!: string | null;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) updated_at!: string;
}

export class MachineIdentityPage {
  @ApiProperty({ type: [MachineIdentityResource] }) data!: MachineIdentityResource[];
  @ApiProperty({ type: String, nullable: true, description: 'Null on the last page.' }) next_cursor!: string | null;
}
