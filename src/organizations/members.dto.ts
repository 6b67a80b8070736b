import { ApiProperty } from '@nestjs/swagger';
import { plainText } from '../kernel/http/plain-text.js';
import { Satisfies, type Rule } from '../kernel/http/rule.js';
import { MEMBER_STATUSES, type MemberStatus } from './members.service.js';

const status: Rule = (value) =>
  value === undefined || MEMBER_STATUSES.some((each) => each === value) ? null : { rule: 'isIn', message: `must be one of ${MEMBER_STATUSES.join(', ')}` };

export class UpdateMember {
  @ApiProperty({ required: false, example: 'MEMBER', description: 'Key or id of a role.' })
  @Satisfies(plainText({ min: 1, max: 100, optional: true }))
  role?: string;

  @ApiProperty({ required: false, enum: MEMBER_STATUSES, description: 'Who is disabled is kept out, and so are their tokens.' })
  @Satisfies(status)
  status?: MemberStatus;
}

export class MemberResource {
  @ApiProperty({ format: 'uuid', description: 'Of the membership: the same person has another one elsewhere.' }) id!: string;
  @ApiProperty({ format: 'uuid', description: 'Of the person.' }) user_id!: string;
  @ApiProperty({ example: 'ada@acme.example' }) email!: string;
  @ApiProperty({ example: 'Ada Lovelace' }) name!: string;
  @ApiProperty({ example: 'MEMBER', description: 'Key of the role.' }) role!: string;
  @ApiProperty({ enum: MEMBER_STATUSES }) status!: MemberStatus;
}

export class MemberPage {
  @ApiProperty({ type: [MemberResource] }) data!: MemberResource[];
  @ApiProperty({ type: String, nullable: true, description: 'Null on the last page.' }) next_cursor!: string | null;
}
