import { expect } from 'vitest';
import { MaintenanceRunner } from '../../../src/kernel/maintenance/maintenance-runner.js';
import { Instant } from '../../../src/kernel/instant.js';
import { LastUse } from '../../../src/tokens/last-use.js';
import { theApp } from '../../support/app.js';
import { aMember, aName, aTenant, sql, type Person, type TestTenant } from '../../support/builders.js';
import { call, type Answer, type CallOptions } from '../../support/call.js';
import { aTokenAuthMachine } from '../../support/machines.js';
import { LONGEST_RENEWED, MINUTE, RENEWAL, SECOND, USES, type Door, type Micros, type Owner, type Policy, type Secret, type Token } from './model.js';
import type { Filter, Outcome, Wish } from './rules.js';

/** The model's zero. */
const ZERO = Instant.fromEpochSeconds(Date.UTC(2031, 2, 1) / 1000);
/** Sessions last 15 minutes; one is begun anew before that. */
const SESSION: Micros = 14 * MINUTE;

export const KIND_OF = { fynn: 'user', unleash: 'project', infisical: 'machine-identity', deepset: 'organization', flipt: 'auth-method' } as const satisfies Record<Door, string>;

/** A request that can be sent again as it was. */
export interface Sent {
  readonly url: string;
  readonly options: CallOptions;
}

/** The service with an organization of its own, asked in the words of the model. */
export class Gatehouse {
  private readonly texts = new Map<Secret, string>();
  private readonly ids = new Map<Token, string>();
  private began: Micros = 0;
  /** Counts the administrator's sessions. */
  session = 0;
  as = '';

  private constructor(
    readonly tenant: TestTenant,
    private readonly member: Person,
    private readonly owners: Readonly<Record<Owner, string>>,
    private readonly membership: string,
  ) {}

  static async begin(): Promise<Gatehouse> {
    (await theApp()).clock.set(ZERO);
    const tenant = await aTenant();
    const as = tenant.admin.session;
    const member = await aMember(tenant, 'ADMIN');
    const timed = await aTokenAuthMachine(tenant, { accessTokenTTL: RENEWAL / SECOND, accessTokenMaxTTL: LONGEST_RENEWED / SECOND });
    const counted = await aTokenAuthMachine(tenant, { accessTokenTTL: 0, accessTokenMaxTTL: 0, accessTokenNumUsesLimit: USES });
    const [project] = await sql(tenant, `SELECT id FROM projects WHERE key = 'default'`);
    const [membership] = await sql(tenant, 'SELECT id FROM memberships WHERE user_id = $1', [member.id]);
    const owners = { admin: tenant.admin.id, member: member.id, organization: tenant.id, project: project?.['id'] as string, timed, counted };
    const begun = new Gatehouse(tenant, member, owners, membership?.['id'] as string);
    begun.as = as;
    return begun;
  }

  async moveTo(now: Micros): Promise<void> {
    (await theApp()).clock.set(instant(now));
    if (now - this.began < SESSION) return;
    const { email, password } = this.tenant.admin;
    const { body } = await this.must(200, 'POST', '/auth/login', { body: { email, password } });
    [this.as, this.began, this.session] = [body.access_token, now, this.session + 1];
  }

  textOf(secret: Secret): string {
    const text = this.texts.get(secret);
    if (text === undefined) throw new Error(`${secret.name} was never seen`);
    return text;
  }

  idOf(token: Token): string {
    const id = this.ids.get(token);
    if (id === undefined) throw new Error(`${token.name} was never seen`);
    return id;
  }

  ownerId(owner: Owner | null): string | null {
    return owner && this.owners[owner];
  }

  /** The request by which whoever holds this credential mints a token. */
  mintRequest({ door, machine, expiresAt }: Wish, by: string): Sent {
    const path = `/api/v1/auth/token-auth/identities/${this.owners[machine]}/tokens`;
    const url = { fynn: '/user/api-tokens', unleash: '/api/admin/projects/default/api-tokens', infisical: path, deepset: '/api/v1/token', flipt: '/auth/v1/method/token' }[door];
    const end = expiresAt === null ? {} : { expiresAt: timeOf(expiresAt) };
    const body = {
      fynn: { description: 'lives', ...end },
      unleash: { tokenName: aName('lives'), type: 'backend', environment: 'development', ...end },
      infisical: { name: 'lives' },
      deepset: { name: aName('lives'), personal: false, ...(expiresAt === null ? { expires: false } : { expires_at: timeOf(expiresAt) }) },
      flipt: { name: aName('lives'), ...end },
    }[door];
    return { url, options: { as: by, body } };
  }

  get memberSession(): string {
    return this.member.session;
  }

  /** Sends it and holds the answer against what it must come to. */
  async send({ url, options }: Sent, outcome: Outcome): Promise<Answer> {
    const answer = await call('POST', url, options);
    if ('drawn' in outcome) await this.learn(outcome.drawn, answer);
    else if ('refused' in outcome) expect([url, answer.status, answer.text]).toEqual([url, outcome.refused, answer.text]);
    else expect([url, answer.text, answer.status]).toEqual([url, answer.text, expect.toSatisfy(isSuccess)]);
    return answer;
  }

  async must(status: number, method: string, url: string, options: CallOptions = {}): Promise<Answer> {
    const answer = await call(method, url, { as: this.as, ...options });
    expect([method, url, answer.status, answer.text]).toEqual([method, url, status, answer.text]);
    return answer;
  }

  async setPolicy({ forbidden, expiryRequired, idle, reuseEnds }: Policy): Promise<void> {
    const kinds = forbidden && Object.values(KIND_OF).filter((kind) => kind !== KIND_OF[forbidden]);
    const idleDays = idle && idle / (24 * 60 * MINUTE);
    await this.must(200, 'PUT', '/v1/policy', { body: { allowed_kinds: kinds, expiry_required: expiryRequired, idle_days: idleDays, on_reuse: reuseEnds ? 'revoke' : 'alarm' } });
  }

  async setMember(change: { role?: string; status?: string }): Promise<void> {
    await this.must(200, 'PATCH', `/v1/members/${this.membership}`, { body: change });
  }

  toFilter(filter: Filter): object {
    if (filter === 'everything') return {};
    if (filter === 'active' || filter === 'expired') return { state: filter };
    return filter === 'member' ? { owner_id: this.owners.member } : { kind: KIND_OF[filter] };
  }

  /** What runs by itself in the service, now. */
  async upkeep(): Promise<void> {
    const runner = (await theApp()).app.get(MaintenanceRunner);
    for (const task of ['tokens.revoke-idle', 'tokens.forget-replaced-secrets', 'idempotency.forget-answers']) await runner.run(task, [this.tenant.id]);
  }

  async flush(): Promise<void> {
    await (await theApp()).app.get(LastUse).flush();
  }

  private async learn(drawn: Secret, answer: Answer): Promise<void> {
    expect([answer.text, answer.status]).toEqual([answer.text, expect.toSatisfy(isSuccess)]);
    const { body } = answer;
    const text: string = body.secret ?? body.token ?? body.accessToken ?? body.api_token ?? body.clientToken;
    expect([...this.texts.values()]).not.toContain(text);
    this.texts.set(drawn, text);
    if (this.ids.has(drawn.token)) return;
    const found = await this.must(200, 'POST', '/v1/tokens/lookup', { body: { token: text } });
    this.ids.set(drawn.token, found.body.id);
  }
}

export function instant(at: Micros): Instant {
  return Instant.fromEpochMicros(ZERO.epochMicros + BigInt(at));
}

export function timeOf(at: Micros): string {
  return instant(at).toRfc3339();
}

const isSuccess = (status: number): boolean => status >= 200 && status < 300;
