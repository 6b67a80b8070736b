import type { ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Principal } from '../../../src/access/principal.js';
import { IdempotencyInterceptor } from '../../../src/idempotency/idempotency.interceptor.js';
import { DomainError } from '../../../src/kernel/failure.js';
import type { ReceivedBody } from '../../../src/kernel/http/received-body.js';
import { isUuid } from '../../../src/kernel/ids.js';
import { MembersService } from '../../../src/organizations/members.service.js';
import { TokenEngine } from '../../../src/tokens/token-engine.js';
import { TokenVerifier } from '../../../src/tokens/token-verifier.js';
import { afterGuard, replace, rewrite, unheardGuard, type Planted } from './faults.js';
import type { World } from './world.js';

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

/** The predicate is gone; its parameter stays, for the others keep their numbers. */
const ANY = (placeholder: string): string => `${placeholder}::uuid IS NOT NULL`;

const dropped = (name: string, pattern: RegExp, operations: readonly string[], more: Partial<Mutant> = {}): Mutant => ({
  name,
  stoppedByDatabase: true,
  operations,
  plant: () => rewrite(pattern, (whole, column, placeholder) => whole.replace(`${column} = ${placeholder}`, ANY(placeholder ?? '$1'))),
  ...more,
});

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
  dropped('the tenant predicate dropped where sessions are read', /FROM sessions s\s+JOIN memberships m[^]*?WHERE (s\.organization_id) = (\$1)/, ['GET /v1/sessions']),
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
    plant: () => Promise.resolve(unheardGuard('/v1/audit-events')),
  },
  {
    name: 'the guard\'s word unheard on a route that the server serves itself',
    stoppedByDatabase: false,
    operations: ['POST /v1/introspect/batch'],
    plant: () => Promise.resolve(unheardGuard('/v1/introspect/batch')),
  },
  {
    name: 'an organization in a header believed',
    stoppedByDatabase: false,
    operations: ['GET /v1/members', 'POST /v1/projects'],
    plant: () => Promise.resolve(afterGuard((principal, { headers }) => {
      const claimed = String(headers['x-organization-id']);
      if (!isUuid(claimed)) return false;
      principal.organizationId = claimed;
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
    operations: ['POST /oauth2/introspect', 'POST /v1/introspect/batch'],
    plant: () => Promise.resolve(afterGuard((principal: { permissions: Principal['permissions'] }, { routeOptions }) => {
      if (!routeOptions.url?.includes('introspect')) return false;
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
    name: 'an Idempotency-Key taken for whoever used it',
    stoppedByDatabase: false,
    operations: ['POST /v1/roles'],
    plant: ({ b }) => Promise.resolve(replace(IdempotencyInterceptor.prototype, 'intercept', (original, count) => function (this: unknown, context: ExecutionContext, next: unknown) {
      const key = String(context.switchToHttp().getRequest<FastifyRequest>().headers['idempotency-key']);
      if (!b.things['idempotency-key'].includes(key)) return original.call(this, context, next) as unknown;
      count();
      throw new DomainError('idempotency-mismatch', 'This Idempotency-Key has been used for another request.', {});
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
