import { ApiProperty } from '@nestjs/swagger';

export class DeepsetEntityRole {
  @ApiProperty({ example: 'default' })
  name!: string;

  @ApiProperty({ example: 'ADMIN' })
  role!: string;
}

export class DeepsetOrganization {
  @ApiProperty({ format: 'uuid' })
  organization_id!: string;

  @ApiProperty({ example: 'Default' })
  name!: string;

  @ApiProperty({ example: 'ADMIN', description: 'Key of the role you have.' })
  role!: string;

  @ApiProperty({ type: [DeepsetEntityRole], description: 'Within reach of this credential; your role is the same in each.' })
  workspaces!: DeepsetEntityRole[];
}

export class DeepsetUser {
  @ApiProperty({ format: 'uuid' })
  user_id!: string;

  @ApiProperty({ example: 'Ada' })
  given_name!: string;

  @ApiProperty({ example: 'Lovelace', description: 'Empty for a person of one name.' })
  family_name!: string;

  @ApiProperty({ example: 'ada@example.org' })
  email!: string;

  @ApiProperty({ example: false })
  deleted!: boolean;

  @ApiProperty({ example: 'gatehouse', description: 'Who knows your password: always this service.' })
  oauth_provider!: string;

  @ApiProperty({ type: DeepsetOrganization })
  organization!: DeepsetOrganization;
}

export class DeepsetWorkspace {
  @ApiProperty({ example: 'default' })
  name!: string;

  @ApiProperty({ format: 'uuid' })
  workspace_id!: string;

  @ApiProperty({ type: Object, example: {}, description: 'Always empty: a workspace here has no languages.' })
  languages!: object;

  @ApiProperty({ example: 0, description: 'Always 0: nothing here falls idle.' })
  default_idle_timeout_in_seconds!: number;
}

export class DeepsetRole {
  @ApiProperty({ format: 'uuid' })
  role_id!: string;

  @ApiProperty({ example: 'ADMIN', description: 'What organization_role calls it, if it is built in.' })
  key!: string;

  @ApiProperty({ example: 'Admin' })
  name!: string;

  @ApiProperty({ description: 'Whether it is built in.' })
  preset!: boolean;

  @ApiProperty({ type: [String], example: ['profile:read'] })
  permissions!: string[];
}

export class DeepsetRolePage {
  @ApiProperty({ type: [DeepsetRole] })
  data!: DeepsetRole[];

  @ApiProperty()
  has_more!: boolean;

  @ApiProperty({ example: 3 })
  total!: number;
}
