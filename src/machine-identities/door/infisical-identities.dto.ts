import { ApiProperty } from '@nestjs/swagger';
import { Satisfies } from '../../kernel/http/rule.js';
import { searchRule, type SearchTerms } from './infisical-search.js';
import { NO_ACCESS } from './infisical-roles.js';
import { flag, integer, metadata, oneOf, text } from './zod-rules.js';

const OFFSET_MAX = 2_147_483_647;
const ROLE_DOC = { example: 'member', description: 'admin, member, no-access, or the slug of a custom role. Never more than you hold yourself.' };

export class InfisicalMetadataInput {
  @ApiProperty({ minLength: 1, example: 'team' }) key!: string;
  @ApiProperty({ minLength: 1, example: 'payments' }) value!: string;
}

export class InfisicalCreateIdentity {
  @ApiProperty({ example: 'build-server' })
  @Satisfies(text())
  name!: string;

  @ApiProperty({ format: 'uuid', description: 'Your own organization.' })
  @Satisfies(text())
  organizationId!: string;

  @ApiProperty({ ...ROLE_DOC, required: false, default: NO_ACCESS })
  @Satisfies(text({ optional: true, min: 1 }))
  role?: string;

  @ApiProperty({ required: false, default: false })
  @Satisfies(flag)
  hasDeleteProtection?: boolean;

  @ApiProperty({ type: [InfisicalMetadataInput], required: false })
  @Satisfies(metadata)
  metadata?: InfisicalMetadataInput[];
}

export class InfisicalUpdateIdentity {
  @ApiProperty({ required: false, example: 'build-server' })
  @Satisfies(text({ optional: true }))
  name?: string;

  @ApiProperty({ ...ROLE_DOC, required: false })
  @Satisfies(text({ optional: true, min: 1 }))
  role?: string;

  @ApiProperty({ required: false })
  @Satisfies(flag)
  hasDeleteProtection?: boolean;

  @ApiProperty({ type: [InfisicalMetadataInput], required: false, description: 'Replaces all there is.' })
  @Satisfies(metadata)
  metadata?: InfisicalMetadataInput[];
}

export class InfisicalIdentityQuery {
  @ApiProperty({ format: 'uuid', description: 'Your own organization.' })
  @Satisfies(text())
  orgId!: string;
}

export class InfisicalSearchIdentities {
  @ApiProperty({ required: false, enum: ['name', 'role'], default: 'name' })
  @Satisfies(oneOf(['name', 'role']))
  orderBy?: 'name' | 'role';

  @ApiProperty({ required: false, enum: ['asc', 'desc'], default: 'asc' })
  @Satisfies(oneOf(['asc', 'desc']))
  orderDirection?: 'asc' | 'desc';

  @ApiProperty({ required: false, minimum: 1, maximum: 100, default: 50 })
  @Satisfies(integer({ min: 1, max: 100 }))
  limit?: number;

  @ApiProperty({ required: false, minimum: 0, default: 0 })
  @Satisfies(integer({ min: 0, max: OFFSET_MAX }))
  offset?: number;

  @ApiProperty({
    required: false,
    type: Object,
    example: { name: { $contains: 'build' }, $or: [{ role: 'admin' }, { role: { $in: ['member', 'no-access'] } }] },
    description: 'By name ($eq, $contains, $in) and role ($eq, $in); at least one of $or.',
  })
  @Satisfies(searchRule)
  search?: SearchTerms;
}

export class InfisicalIdentity {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ example: 'build-server' }) name!: string;
  @ApiProperty({ type: String, nullable: true, example: null, description: 'Always null.' }) authMethod!: string | null;
  @ApiProperty({ format: 'date-time' }) createdAt!: string;
  @ApiProperty({ format: 'date-time' }) updatedAt!: string;
  @ApiProperty({ example: false }) hasDeleteProtection!: boolean;
  @ApiProperty({ format: 'uuid' }) orgId!: string;
  @ApiProperty({ type: String, nullable: true, example: null, description: 'Always null.' }) projectId!: string | null;
}

export class InfisicalMetadata {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ example: 'team' }) key!: string;
  @ApiProperty({ example: 'payments' }) value!: string;
}

export class InfisicalUpdatedIdentity extends InfisicalIdentity {
  @ApiProperty({ type: [InfisicalMetadata] }) metadata!: InfisicalMetadata[];
}

export class InfisicalCreatedIdentity extends InfisicalIdentity {
  @ApiProperty({ type: [String], example: [] }) authMethods!: string[];
  @ApiProperty({ type: [InfisicalMetadata] }) metadata!: InfisicalMetadata[];
}

export class InfisicalCreatedIdentityAnswer {
  @ApiProperty({ type: InfisicalCreatedIdentity }) identity!: InfisicalCreatedIdentity;
}

export class InfisicalUpdatedIdentityAnswer {
  @ApiProperty({ type: InfisicalUpdatedIdentity }) identity!: InfisicalUpdatedIdentity;
}

export class InfisicalIdentityAnswer {
  @ApiProperty({ type: InfisicalIdentity }) identity!: InfisicalIdentity;
}

export class InfisicalCustomRole {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ example: 'Deployer' }) name!: string;
  @ApiProperty({ example: 'deployer' }) slug!: string;
  @ApiProperty({ type: [String], example: ['project:read'] }) permissions!: string[];
  @ApiProperty({ type: String, nullable: true, example: null }) description!: string | null;
}

export class InfisicalListedMachine {
  @ApiProperty({ example: 'build-server' }) name!: string;
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ example: false }) hasDeleteProtection!: boolean;
  @ApiProperty({ type: [String], example: ['token-auth'] }) authMethods!: string[];
}

export class InfisicalMachine {
  @ApiProperty({ example: 'build-server' }) name!: string;
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ example: false }) hasDeleteProtection!: boolean;
  @ApiProperty({ format: 'uuid' }) orgId!: string;
  @ApiProperty({ type: [String], example: ['token-auth'] }) authMethods!: string[];
  @ApiProperty({ type: [String], example: [], description: 'Methods in which some source is locked out at the moment.' }) activeLockoutAuthMethods!: string[];
}

export class InfisicalMembership {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ example: 'member', description: 'custom, where customRole says which.' }) role!: string;
  @ApiProperty({ type: String, nullable: true, format: 'uuid', description: 'Of a custom role.' }) roleId!: string | null;
  @ApiProperty({ format: 'uuid' }) orgId!: string;
  @ApiProperty({ format: 'date-time' }) createdAt!: string;
  @ApiProperty({ format: 'date-time' }) updatedAt!: string;
  @ApiProperty({ format: 'uuid' }) identityId!: string;
  @ApiProperty({ type: String, nullable: true, example: 'token-auth' }) lastLoginAuthMethod!: string | null;
  @ApiProperty({ type: String, nullable: true, format: 'date-time' }) lastLoginTime!: string | null;
  @ApiProperty({ type: InfisicalCustomRole, required: false }) customRole?: InfisicalCustomRole;
}

export class InfisicalListedIdentity extends InfisicalMembership {
  @ApiProperty({ type: InfisicalListedMachine }) identity!: InfisicalListedMachine;
}

export class InfisicalIdentityList {
  @ApiProperty({ type: [InfisicalListedIdentity] }) identities!: InfisicalListedIdentity[];
  @ApiProperty({ example: 1 }) totalCount!: number;
}

export class InfisicalIdentityMembership extends InfisicalMembership {
  @ApiProperty({ type: [InfisicalMetadata] }) metadata!: InfisicalMetadata[];
  @ApiProperty({ type: InfisicalMachine }) identity!: InfisicalMachine;
}

export class InfisicalIdentityMembershipAnswer {
  @ApiProperty({ type: InfisicalIdentityMembership }) identity!: InfisicalIdentityMembership;
}

export class InfisicalProjectMemberships {
  @ApiProperty({ type: 'array', items: { type: 'object' }, example: [], description: 'Always empty: a machine identity acts in all projects, as far as its role and its token go.' })
  identityMemberships!: object[];
}

export class InfisicalOrganizationRef {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ example: 'Default' }) name!: string;
  @ApiProperty({ example: 'default' }) slug!: string;
}

export class InfisicalIdentityDetails {
  @ApiProperty({ type: InfisicalOrganizationRef, description: 'Where the token acts.' }) organization!: InfisicalOrganizationRef;
}

export class InfisicalIdentityDetailsAnswer {
  @ApiProperty({ type: InfisicalIdentityDetails }) identityDetails!: InfisicalIdentityDetails;
}
