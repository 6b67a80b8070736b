import { DataSource } from 'typeorm';
import { AccessGuard } from '../../../src/access/access.guard.js';
import { findPrincipal, type Principal } from '../../../src/access/principal.js';
import { DomainError } from '../../../src/kernel/failure.js';
import type { ReceivedBody } from '../../../src/kernel/http/received-body.js';
import { MembersService } from '../../../src/organizations/members.service.js';
import { TokenEngine } from '../../../src/tokens/token-engine.js';
import { TokenVerifier } from '../../../src/tokens/token-verifier.js';
import { theApp } from '../../support/app.js';
import type { World } from './matrix.js';

/** A fault in the running application. */
export interface Planted {
  /** How often what is faulty has run. */
  executed(): number;
  remove(): Promise<void>;
}

export interface Mutant {
  readonly name: string;
  /** True for a fault in a query alone, which row-level security makes harmless. */
  readonly stoppedByDatabase: boolean;
  /** Operations in which it must show, by name. */
  readonly operations: readonly string[];
  /** Shows only in what can be read with and without the other organization. */
  readonly showsWithout?: true;
  plant(world: World): Promise<Planted>;
}

type Method = (...parameters: any[]) => any;

/** Puts a method in the place of another of this class, for every instance. */
function replace(owner: object, method: string, make: (original: Method, count: () => void) => Method): Planted {
  const target = owner as Record<string, Method>;
  const original = target[method];
  if (!original) throw new Error(`there is no method ${method} to put a fault into`);
  let executions = 0;
  target[method] = make(original, () => (executions += 1));
  return {
    executed: () => executions,
    remove: () => {
      target[method] = original;
      return Promise.resolve();
    },
  };
}

/** Changes the text of every statement that fits, on its way to the database. */
async function rewrite(pattern: RegExp, by: string | ((...parts: string[]) => string)): Promise<Planted> {
  const runner = (await theApp()).app.get(DataSource).createQueryRunner();
  const prototype = Object.getPrototypeOf(runner) as object;
  await runner.release();
  return replace(prototype, 'query', (original, count) => function (this: unknown, sql: string, ...rest: unknown[]) {
    const changed = sql.replace(pattern, by as string);
    if (changed !== sql) count();
    return original.call(this, changed, ...rest) as unknown;
  });
}

/** The predicate is gone; its parameter stays, for the others keep their numbers. */
const ANY = (placeholder: string): string => `${placeholder}::uuid IS NOT NULL`;

const dropped = (name: string, pattern: RegExp, operations: readonly string[], more: Partial<Mutant> = {}): Mutant => ({
  name,
  stoppedByDatabase: true,
  operations,
  plant: () => rewrite(pattern, (whole, column, placeholder) => whole.replace(`${column} = ${placeholder}`, ANY(placeholder ?? '$1'))),
  ...more,
});

/** After the guard has let somebody in: what a fault makes of who they are. */
function afterGuard(spoil: (principal: any, request: { headers: Record<string, string>; body?: unknown; routeOptions: { url: string } }) => boolean): Planted {
  return replace(AccessGuard.prototype, 'canActivate', (original, count) => async function (this: unknown, context: { switchToHttp(): { getRequest(): never } }) {
    const result: unknown = await original.call(this, context);
    const request = context.switchToHttp().getRequest();
    const principal = findPrincipal(request);
    if (principal && spoil(principal, request)) count();
    return result;
  });
}

function textOf(body: unknown): string {
  return (body as ReceivedBody | undefined)?.bytes?.toString('utf8') ?? '';
}

/** What the owner of the database knows of a token, whoever's it is. */
async function nameOfToken({ state }: World, id: string): Promise<string | null> {
  if (!/^[0-9A-Za-z-]+$/.test(id)) return null;
  const [row] = await state.query(`SELECT coalesce(name, description, hint) AS name FROM api_tokens WHERE id::text = '${id}' OR short_id = '${id}'`);
  return (row?.['name'] as string | undefined) ?? null;
}

export const MUTANTS: readonly Mutant[] = [
  dropped('the tenant predicate dropped where tokens are read', /^SELECT t\.\*[^]*?(t\.organization_id) = (\$1)\s+AND \(\$2::uuid\[\]/, ['GET /v1/tokens/{id}', 'DELETE /v1/tokens/{id}', 'GET /auth/v1/tokens/{id}']),
  dropped('the tenant predicate dropped where tokens are counted', /^SELECT count\(\*\) AS total FROM api_tokens t WHERE (t\.organization_id) = (\$1)/, ['GET /api/v1/token'], { showsWithout: true }),
  dropped('the tenant predicate dropped where machine identities are counted and found', /FROM machine_identities i LEFT JOIN[^]*?WHERE (i\.organization_id) = (\$1)/, ['GET /v1/machine-identities/{id}', 'GET /v1/machine-identities']),
  dropped('the tenant predicate dropped in a total alone', /^SELECT count\(\*\) AS total FROM machine_identities i LEFT JOIN[^]*?WHERE (i\.organization_id) = (\$1)/, ['GET /api/v1/identities'], { showsWithout: true }),
  dropped('the tenant predicate dropped in a join of members and people', /FROM memberships m JOIN users u ON u\.id = m\.user_id\s+WHERE (m\.organization_id) = (\$1)/, ['POST /v1/invitations']),
  dropped('the tenant predicate dropped where members are read', /FROM memberships m\s+JOIN users u[^]*?WHERE (m\.organization_id) = (\$1)/, ['GET /v1/members/{id}', 'GET /v1/members']),
  dropped('the tenant predicate dropped where a project is found by its key', /WHERE \(\(("Project"\."organization_id") = (\$1)\)/, ['GET /v1/projects/{key}', 'GET /v1/projects/{key}/environments']),
  dropped('the tenant predicate dropped where a role is found', /WHERE \(\(("RoleRecord"\."organization_id") = (\$1)\)/, ['GET /v1/roles/{id}', 'DELETE /v1/roles/{id}']),
  dropped('the tenant predicate dropped in the list of the record', /FROM "audit_events" "e" WHERE ("e"\."organization_id") = (\$1)/, ['GET /v1/audit-events']),
  dropped('the tenant predicate dropped in a statement that changes', /^UPDATE invitations SET revoked_at = \$3 WHERE (organization_id) = (\$1)/, ['DELETE /v1/invitations/{id}']),
  dropped('a cursor taken for the only bound of a list', /^SELECT t\.\*[^]*?(t\.organization_id) = (\$1)(?=[^]*\(t\.created_at, t\.id\) [<>])/, ['GET /v1/tokens', 'GET /auth/v1/tokens']),
  {
    name: 'a key unique across organizations',
    stoppedByDatabase: false,
    operations: ['POST /v1/projects'],
    plant: async ({ state }) => {
      const index = (columns: string, also: string): Promise<unknown> =>
        state.query(`DROP INDEX projects_key; CREATE UNIQUE INDEX projects_key ON projects (${columns}) WHERE deleted_at IS NULL ${also}; SELECT 1`);
      await index('key', `AND key <> 'default'`);
      const inserts = await rewrite(/^(INSERT INTO "projects")/, '$1 ');
      return {
        executed: () => inserts.executed(),
        remove: async () => {
          await inserts.remove();
          await index('organization_id, key', '');
        },
      };
    },
  },
  {
    name: 'the guard\'s word unheard on one route',
    stoppedByDatabase: false,
    operations: ['GET /v1/audit-events'],
    plant: () => Promise.resolve(replace(AccessGuard.prototype, 'canActivate', (original, count) => async function (this: unknown, context: { switchToHttp(): { getRequest(): { routeOptions: { url: string } } } }) {
      try {
        return await original.call(this, context) as unknown;
      } catch (error) {
        if (!(error instanceof DomainError) || error.code !== 'permission-missing' || context.switchToHttp().getRequest().routeOptions.url !== '/v1/audit-events') throw error;
        count();
        return true;
      }
    })),
  },
  {
    name: 'an organization in a header believed',
    stoppedByDatabase: false,
    operations: ['GET /v1/members', 'POST /v1/projects'],
    plant: () => Promise.resolve(afterGuard((principal, { headers }) => {
      if (!headers['x-organization-id']?.match(/^[0-9a-f-]{36}$/)) return false;
      principal.organizationId = headers['x-organization-id'];
      return true;
    })),
  },
  {
    name: 'an organization in a body believed',
    stoppedByDatabase: false,
    operations: ['POST /api/v1/identities'],
    plant: () => Promise.resolve(afterGuard((principal, { body }) => {
      const claimed = /"organizationId":"([0-9a-f-]{36})"/.exec(textOf(body))?.[1];
      if (claimed === undefined) return false;
      principal.organizationId = claimed;
      principal.organization = { ...principal.organization, id: claimed };
      return true;
    })),
  },
  {
    name: 'introspection without a look at whose token it is',
    stoppedByDatabase: false,
    operations: ['POST /oauth2/introspect'],
    plant: () => Promise.resolve(afterGuard((principal: { permissions: Principal['permissions'] }, { routeOptions }) => {
      if (routeOptions.url !== '/oauth2/introspect') return false;
      principal.permissions = new Set([...principal.permissions, 'platform:token:introspect']);
      return true;
    })),
  },
  {
    name: 'a secret taken for one of the caller\'s organization',
    stoppedByDatabase: false,
    operations: ['POST /oauth2/revoke'],
    plant: ({ a }) => Promise.resolve(replace(TokenVerifier.prototype, 'locate', (original, count) => async function (this: unknown, ...parameters) {
      const found = (await original.call(this, ...parameters)) as object | null;
      if (!found) return found;
      count();
      return { ...found, organizationId: a.tenant.id };
    })),
  },
  {
    name: '403 where another\'s is asked for, 404 where nobody\'s',
    stoppedByDatabase: false,
    operations: ['GET /v1/tokens/{id}'],
    plant: (world) => Promise.resolve(replace(TokenEngine.prototype, 'findIn', (original, count) => async function (this: unknown, ...parameters) {
      try {
        return await original.call(this, ...parameters) as unknown;
      } catch (error) {
        count();
        if ((await nameOfToken(world, String(parameters[2]))) === null) throw error;
        throw new DomainError('caller-refused', 'The token is not yours.', { reason: 'wrong-kind' });
      }
    })),
  },
  {
    name: 'a name of another\'s in the detail of an error',
    stoppedByDatabase: false,
    operations: ['GET /v1/tokens/{id}'],
    plant: (world) => Promise.resolve(replace(TokenEngine.prototype, 'findIn', (original, count) => async function (this: unknown, ...parameters) {
      try {
        return await original.call(this, ...parameters) as unknown;
      } catch (error) {
        count();
        const name = await nameOfToken(world, String(parameters[2]));
        throw name === null ? error : new DomainError('not-found', `You have no token ${name}.`, { resource: 'token', id: '' });
      }
    })),
  },
  {
    name: 'a cache without the tenant in its key',
    stoppedByDatabase: false,
    operations: ['GET /v1/members/{id}'],
    plant: () => Promise.resolve(replace(MembersService.prototype, 'get', (original, count) => {
      const known = new Map<string, unknown>();
      return async function (this: unknown, caller: unknown, id: string) {
        if (known.has(id)) count();
        else known.set(id, await original.call(this, caller, id));
        return known.get(id);
      };
    })),
  },
];

/** Lets every policy of an organization's own rows through, as if there were none; call what is returned to bind them again. */
export async function withoutRowLevelSecurity({ state }: World): Promise<() => Promise<void>> {
  const policies = await state.query(`SELECT tablename, policyname, qual, with_check FROM pg_policies WHERE schemaname = 'public' AND policyname = 'own_organization'`);
  const alter = (conditions: (policy: Record<string, any>) => readonly [string, string]): Promise<unknown> =>
    state.query(`${policies.map((policy) => `ALTER POLICY ${policy['policyname']} ON ${policy['tablename']} USING (${conditions(policy)[0]}) WITH CHECK (${conditions(policy)[1]});`).join('')} SELECT 1`);
  await alter(() => ['true', 'true']);
  return async () => {
    await alter(({ qual, with_check: check }) => [qual, check ?? qual]);
  };
}
