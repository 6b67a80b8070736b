import { ApiProperty } from '@nestjs/swagger';
import { email } from '../kernel/http/email-rule.js';
import { plainText } from '../kernel/http/plain-text.js';
import { Satisfies } from '../kernel/http/rule.js';
import { MemberResource } from './members.dto.js';
import { OrganizationRef, presentedPassword } from './session.dto.js';

export class CreateInvitation {
  @ApiProperty({ example: 'grace@acme.example' })
  @Satisfies(email)
  email!: string;

  @ApiProperty({ example: 'MEMBER', description: 'Key or id of a role; it allows no more than you hold.' })
  @Satisfies(plainText({ min: 1, max: 100 }))
  role!: string;
}

export class InvitationResource {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ example: 'grace@acme.example' }) email!: string;
  @ApiProperty({ example: 'MEMBER', description: 'Key of the role.' }) role!: string;
  @ApiProperty({ format: 'uuid', description: 'The person who invited.' }) invited_by!: string;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) expires_at!: string;
}

export class CreatedInvitation extends InvitationResource {
  @ApiProperty({ example: 'inv_…', description: 'For the invited person alone. Works once, and is shown this once.' }) token!: string;
  @ApiProperty({ example: 'http://127.0.0.1:3000/join#inv_…', description: 'A page that accepts it with the token.' }) link!: string;
}

export class InvitationPage {
  @ApiProperty({ type: [InvitationResource] }) data!: InvitationResource[];
  @ApiProperty({ type: String, nullable: true, description: 'Null on the last page.' }) next_cursor!: string | null;
}

export class AcceptInvitation {
  @ApiProperty({ example: 'inv_…' })
  @Satisfies(plainText({ min: 1, max: 512 }))
  token!: string;

  @ApiProperty({ example: 'Grace Hopper', description: 'Of somebody new; whoever has an account keeps their name.' })
  @Satisfies(plainText({ min: 1, max: 255 }))
  name!: string;

  @ApiProperty({ format: 'password', example: 'correct horse battery staple', description: 'Of the account that belongs to the invited address; somebody new sets it here.' })
  @Satisfies(presentedPassword)
  password!: string;
}

export class JoinedMember extends MemberResource {
  @ApiProperty({ type: OrganizationRef, description: 'Where to log in now.' }) organization!: OrganizationRef;
}
