import type { TestTenant } from './builders.js';
import { aName } from './builders.js';
import { call, type Answer } from './call.js';

export interface Minted {
  readonly answer: Answer;
  readonly secret: string;
}

/** How one door is asked for a token, for tests that must hold at all of them. */
export interface DoorUnderTest {
  readonly name: string;
  readonly kind: string;
  readonly created: number;
  readonly permission: string;
  /** How the door says 401, 403 and a malformed body: the members its error bodies have. */
  readonly errorKeys: { readonly unauthenticated: string; readonly forbidden: string; readonly malformed: string };
  readonly malformedStatus: number;
  /** Where tokens are created; what is needed before is created here. */
  creationPath(tenant: TestTenant, ttlSeconds?: number): Promise<string>;
  body(options?: { expiresAt?: string }): Record<string, unknown>;
  secretOf(body: any): string;
  ownerId(tenant: TestTenant, creationPath: string): string | null;
}

export const DOORS_UNDER_TEST: readonly DoorUnderTest[] = [
  {
    name: 'Fynn',
    kind: 'user',
    created: 201,
    permission: 'user:api-token:write',
    errorKeys: { unauthenticated: 'code,message', forbidden: 'detail,permissions,title,type', malformed: 'detail,title,type' },
    malformedStatus: 400,
    creationPath: async () => '/user/api-tokens',
    body: ({ expiresAt } = {}) => ({ description: 'a token of a person', expiresAt }),
    secretOf: (body) => body.token,
    ownerId: (tenant) => tenant.admin.id,
  },
  {
    name: 'Unleash',
    kind: 'project',
    created: 201,
    permission: 'project:api-token:write',
    errorKeys: {
      unauthenticated: 'defaultHidden,details,id,message,name,path,type',
      forbidden: 'details,id,message,name,permissions',
      malformed: 'message',
    },
    malformedStatus: 400,
    creationPath: async () => '/api/admin/projects/default/api-tokens',
    body: ({ expiresAt } = {}) => ({ tokenName: aName('sdk'), type: 'backend', environment: 'development', expiresAt }),
    secretOf: (body) => body.secret,
    ownerId: () => null,
  },
  {
    name: 'Infisical',
    kind: 'machine-identity',
    created: 200,
    permission: 'identity:token:write',
    errorKeys: { unauthenticated: 'error,message,reqId,statusCode', forbidden: 'details,error,message,reqId,statusCode', malformed: 'error,message,reqId,statusCode' },
    malformedStatus: 400,
    creationPath: async (tenant, ttlSeconds = 3600) => {
      const as = tenant.admin.session;
      const identity = await call('POST', '/api/v1/identities', { as, body: { name: aName('machine'), organizationId: tenant.id, role: 'member' } });
      const { id } = identity.body.identity;
      const body = { accessTokenTTL: ttlSeconds, accessTokenMaxTTL: ttlSeconds };
      const attached = await call('POST', `/api/v1/auth/token-auth/identities/${id}`, { as, body });
      if (attached.status !== 200) throw new Error(`attaching Token Auth answered ${attached.text}`);
      return `/api/v1/auth/token-auth/identities/${id}/tokens`;
    },
    body: () => ({ name: 'a token of a machine' }),
    secretOf: (body) => body.accessToken,
    ownerId: (_, path) => path.split('/').at(-2) ?? null,
  },
  {
    name: 'deepset',
    kind: 'organization',
    created: 200,
    permission: 'organization:api-token:write',
    errorKeys: { unauthenticated: 'detail', forbidden: 'detail,errors', malformed: 'detail' },
    malformedStatus: 422,
    creationPath: async () => '/api/v1/token',
    body: ({ expiresAt } = {}) => ({ name: aName('key'), personal: false, expires_at: expiresAt }),
    secretOf: (body) => body.api_token,
    ownerId: (tenant) => tenant.id,
  },
  {
    name: 'Flipt',
    kind: 'auth-method',
    created: 200,
    permission: 'auth-method:token:write',
    errorKeys: { unauthenticated: 'code,details,message', forbidden: 'code,details,message', malformed: 'code,details,message' },
    malformedStatus: 400,
    creationPath: async () => '/auth/v1/method/token',
    body: ({ expiresAt } = {}) => ({ name: aName('client'), expiresAt }),
    secretOf: (body) => body.clientToken,
    ownerId: (tenant) => tenant.id,
  },
];

export async function mint(door: DoorUnderTest, tenant: TestTenant, options: { as?: string; expiresAt?: string; ttlSeconds?: number } = {}): Promise<Minted> {
  const path = await door.creationPath(tenant, options.ttlSeconds);
  const answer = await call('POST', path, { as: options.as ?? tenant.admin.session, body: door.body(options) });
  if (answer.status !== door.created) throw new Error(`${door.name} answered ${answer.status}: ${answer.text}`);
  return { answer, secret: door.secretOf(answer.body) };
}
