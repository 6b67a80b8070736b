import { ApiProperty } from '@nestjs/swagger';
import { NothingElse } from '../kernel/http/nothing-else.js';
import { Satisfies } from '../kernel/http/rule.js';
import { isPermissionKey } from '../tokens/permission-pattern.js';

@NothingElse()
export class ForwardAuthQuery {
  @ApiProperty({ required: false, example: 'invoice:write' })
  @Satisfies((value) =>
    value === undefined || (typeof value === 'string' && isPermissionKey(value)) ? null : { rule: 'isPermission', message: 'must be one permission, such as invoice:write' })
  permission?: string;
}

const text = (description: string) => ({ description, schema: { type: 'string' as const } });

/** Percent-encoded where a value has other characters than a header may have. */
export const IDENTITY_HEADERS = {
  'x-gatehouse-organization-id': text('Where the credential belongs.'),
  'x-gatehouse-owner-kind': text('user, project, machine-identity, organization or auth-method.'),
  'x-gatehouse-owner-id': text('Whose credential it is.'),
  'x-gatehouse-username': text('E-mail address of the person, where there is one.'),
  'x-gatehouse-token-id': text('The token; absent for a session.'),
  'x-gatehouse-scope': text('Permissions it has at this moment, separated by spaces.'),
  'x-gatehouse-projects': text('Keys of its projects, separated by commas; * for all.'),
  'x-gatehouse-environment': text('Its environment, where it has one.'),
};
