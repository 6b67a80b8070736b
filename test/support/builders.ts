import { randomBytes } from 'node:crypto';
import { Database } from '../../src/kernel/database/database.js';
import { newId } from '../../src/kernel/ids.js';
import { OrganizationsService } from '../../src/organizations/organizations.service.js';
import { ProjectsService } from '../../src/projects/projects.service.js';
import { TENANT_PERMISSIONS } from '../../src/tokens/permissions.js';
import type { Caller } from '../../src/tokens/token.js';
import { UsersService } from '../../src/users/users.service.js';
import { theApp } from './app.js';
import { call } from './call.js';

export const PASSWORD = 'correct horse battery staple';

export interface Person {
  readonly id: string;
  readonly email: string;
  readonly password: string;
  /** Access token of a session. */
  readonly session: string;
  readonly refreshToken: string;
}

export interface TestTenant {
  readonly id: string;
  readonly slug: string;
  readonly admin: Person;
}

export function aName(prefix: string): string {
  return `${prefix}-${randomBytes(5).toString('hex')}`;
}

/** An organization of its own, with an administrator who is logged in, the project `default` and its environments. */
export async function aTenant(options: { slug?: string; platform?: boolean } = {}): Promise<TestTenant> {
  const { app } = await theApp();
  const slug = options.slug ?? aName('org');
  const email = `admin@${slug}.test`;
  const { organization } = await app
    .get(OrganizationsService)
    .create({ slug, name: slug, platform: options.platform, admin: { email, name: 'Ada Admin', password: PASSWORD } });
  return { id: organization.id, slug, admin: await loggedIn(email, slug) };
}

/** Its administrator as the engine knows callers. */
export function administratorOf({ id, admin }: TestTenant): Caller {
  return {
    organizationId: id,
    actor: { kind: 'user', id: admin.id, credential: null, origin: null },
    permissions: new Set(TENANT_PERMISSIONS),
    narrowed: false,
    projects: 'all',
    tokenId: null,
  };
}

/** A member of the organization who is logged in; `role` is the key of a role it has. */
export async function aMember(tenant: TestTenant, role = 'MEMBER'): Promise<Person> {
  const { app } = await theApp();
  const email = `${aName('person')}@${tenant.slug}.test`;
  const create = await app.get(UsersService).prepare({ email, name: 'Max Member', password: PASSWORD });
  await app.get(Database).inOrganization(tenant.id, async (scope) => {
    const { id } = await create(scope.manager);
    await app.get(OrganizationsService).addMember(scope, id, role);
  });
  return loggedIn(email, tenant.slug);
}

/** A custom role with these permissions; returns its key. */
export async function aRole(tenant: TestTenant, permissions: readonly string[]): Promise<string> {
  const key = aName('role');
  await sql(
    tenant,
    `INSERT INTO roles (organization_id, id, key, name, name_folded, built_in, permissions, created_at, updated_at)
     VALUES ($1, $2, $3, $3, $3, false, $4, now(), now())`,
    [tenant.id, newId(), key, permissions],
  );
  return key;
}

/** A project with the environments `default`, `development` and `production`; returns its key. */
export async function aProject(tenant: TestTenant, key = aName('project')): Promise<string> {
  const { app } = await theApp();
  await app.get(Database).inOrganization(tenant.id, (scope) => app.get(ProjectsService).createIn(scope, { key, name: key }));
  return key;
}

/** Any statement within the tenant's own transaction, as the service's role. */
export async function sql<Row = Record<string, any>>(tenant: { id: string }, statement: string, parameters: unknown[] = []): Promise<Row[]> {
  const { app } = await theApp();
  return app.get(Database).inOrganization(tenant.id, ({ manager }) => manager.query<Row[]>(statement, parameters));
}

async function loggedIn(email: string, organization: string): Promise<Person> {
  const { status, body } = await call('POST', '/auth/login', { body: { email, password: PASSWORD, organization } });
  if (status !== 200) throw new Error(`login answered ${status}: ${JSON.stringify(body)}`);
  return { id: body.user.id, email, password: PASSWORD, session: body.access_token, refreshToken: body.refresh_token };
}
