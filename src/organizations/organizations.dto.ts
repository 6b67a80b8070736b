import { ApiProperty } from '@nestjs/swagger';
import { email } from '../kernel/http/email-rule.js';
import { name, slug } from '../kernel/http/name-rules.js';
import { plainText } from '../kernel/http/plain-text.js';
import { faultsOf, Satisfies, type Rule } from '../kernel/http/rule.js';
import { ORGANIZATION_STATUSES, type OrganizationStatus } from './organization-detail.js';
import { presentedPassword } from './session.dto.js';

const ADMINISTRATOR: Readonly<Record<string, Rule>> = {
  email,
  password: presentedPassword,
  name: plainText({ min: 1, max: 255, optional: true }),
};

const administrator: Rule = (value) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { rule: 'isObject', message: 'must be an object with email and password' };
  const given = value as Readonly<Record<string, unknown>>;
  const others = Object.keys(given).filter((property) => !Object.hasOwn(ADMINISTRATOR, property));
  if (others.length > 0) return others.map((property) => ({ at: [property], rule: 'unknown', message: 'is not known here', value: undefined }));
  return Object.entries(ADMINISTRATOR).flatMap(([property, rule]) => faultsOf(rule, given[property], given).map((fault) => ({ ...fault, at: [property], value: undefined })));
};

export class FirstAdministrator {
  @ApiProperty({ example: 'ada@acme.example' }) email!: string;
  @ApiProperty({ format: 'password', example: 'correct horse battery staple', description: 'Of the account that has this address; somebody new has this one from now on.' }) password!: string;
  @ApiProperty({ required: false, example: 'Ada Lovelace', default: 'Administrator', description: 'Of somebody new.' }) name?: string;
}

export class CreateOrganization {
  @ApiProperty({ example: 'acme', description: 'Stands in addresses; it never changes, and stays taken for ever.' })
  @Satisfies(slug())
  slug!: string;

  @ApiProperty({ example: 'Acme Inc.' })
  @Satisfies(name())
  name!: string;

  @ApiProperty({ type: FirstAdministrator })
  @Satisfies(administrator)
  admin!: FirstAdministrator;
}

export class CreateSubOrganization {
  @ApiProperty({ example: 'acme-labs', description: 'Unique among those of your organization.' })
  @Satisfies(slug())
  slug!: string;

  @ApiProperty({ example: 'Acme Labs' })
  @Satisfies(name())
  name!: string;
}

export class RenameOrganization {
  @ApiProperty({ example: 'Acme Inc.' })
  @Satisfies(name())
  name!: string;
}

export class OrganizationResource {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ type: String, nullable: true, format: 'uuid', description: 'The organization it belongs to.' }) parent_id!: string | null;
  @ApiProperty({ example: 'acme' }) slug!: string;
  @ApiProperty({ example: 'Acme Inc.' }) name!: string;
  @ApiProperty({ example: false, description: 'True for the operator\'s own.' }) platform!: boolean;
  @ApiProperty({ enum: ORGANIZATION_STATUSES, description: 'Suspended, too, where the organization it belongs to is.' }) status!: OrganizationStatus;
  @ApiProperty({ type: String, nullable: true, format: 'date-time' }) suspended_at!: string | null;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) updated_at!: string;
}

export class OrganizationPage {
  @ApiProperty({ type: [OrganizationResource] }) data!: OrganizationResource[];
  @ApiProperty({ type: String, nullable: true, description: 'Null on the last page.' }) next_cursor!: string | null;
}
