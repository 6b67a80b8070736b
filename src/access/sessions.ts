import { Injectable } from '@nestjs/common';
import { In, IsNull, Not } from 'typeorm';
import type { Actor } from '../audit/actor.js';
import { AuditLog } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { DomainError } from '../kernel/failure.js';
import { Grouping } from '../kernel/grouping.js';
import { newId } from '../kernel/ids.js';
import type { Instant } from '../kernel/instant.js';
import type { Origin } from '../kernel/origin.js';
import { permissionsOfRole } from '../tokens/permissions.js';
import { drawSecret, hasValidChecksum, SecretHasher } from '../tokens/token-secret.js';
import { ACCESS_TOKEN_SECONDS, AccessTokens } from './access-tokens.js';
import { RefusalLog } from './refusal-log.js';
import { RefreshToken, Session } from './session.entity.js';

const SESSION_SECONDS = 30 * 24 * 3600;
/** A session that is not refreshed for so long cannot be refreshed any more. */
const IDLE_SECONDS = 7 * 24 * 3600;
const REFRESH_PREFIX = 'rft_';
const REUSE = 'refresh-token-reuse';
const FACTS = 'SELECT * FROM session_facts($1, $2)';
const FACTS_OF_EACH = `SELECT f.* FROM unnest($1::uuid[], $2::uuid[]) AS asked (organization, session)
  CROSS JOIN LATERAL session_facts(asked.organization, asked.session) f`;
const READS = { itemsMax: 100, underWayMax: 2, slowAfterMs: 100 };

/** A row of the SQL function `session_facts`. */
export interface SessionFacts {
  readonly id: string;
  readonly expires_at: Instant;
  readonly ended_at: Instant | null;
  readonly created_at: Instant;
  readonly user_id: string;
  readonly user_email: string;
  readonly user_name: string;
  readonly user_disabled_at: Instant | null;
  readonly role_key: string;
  readonly role_permissions: readonly string[];
  readonly registered_permissions: readonly string[];
  readonly organization_id: string;
  readonly organization_slug: string;
  readonly organization_name: string;
  readonly organization_platform: boolean;
  readonly organization_suspended_at: Instant | null;
}

interface SessionKey {
  readonly organizationId: string;
  readonly sessionId: string;
}

export interface SessionTokens {
  readonly accessToken: string;
  readonly expiresInSeconds: number;
  readonly refreshToken: string;
  readonly session: SessionFacts;
}

/** What comes of a refresh token: the next one, or an attempt to use it again on a session that had ended, or nothing. */
type Refreshing = { readonly next: string } | { readonly reusedBy: Actor } | Record<string, never>;

export class RefreshTokenInvalid extends DomainError<'credentials-invalid'> {
  constructor() {
    super('credentials-invalid', 'The refresh token is not valid.', { reason: 'refresh-token' });
  }
}

/** Sessions of people: started at login, kept by rotating refresh tokens, ended at once. */
@Injectable()
export class Sessions {
  /** Reads at the same time share a round trip; each begins after it was asked for. */
  private readonly reads = new Grouping<SessionKey, SessionFacts | null>((asked) => this.readEach(asked), READS);

  constructor(
    private readonly database: Database,
    private readonly accessTokens: AccessTokens,
    private readonly hasher: SecretHasher,
    private readonly audit: AuditLog,
    private readonly refusals: RefusalLog,
    private readonly clock: Clock,
  ) {}

  /**
   * Starts a session of a person who is a member of the organization. That they have proven to be who they are is asked
   * once more within the transaction: null where it is not so any more, as after a change of the password meanwhile.
   */
  async start(organizationId: string, userId: string, origin: Origin, isProven: (tenant: Tenant) => Promise<boolean>): Promise<SessionTokens | null> {
    const sessionId = newId();
    const refreshToken = await this.database.inOrganization(organizationId, async (tenant) => {
      if (!(await isProven(tenant))) return null;
      return this.begin(tenant, { sessionId, userId }, origin);
    });
    return refreshToken === null ? null : this.toTokens(organizationId, sessionId, refreshToken);
  }

  /**
   * Ends this session of a person and begins one in another organization of theirs, with an id of its own, which ends
   * no later than this one would have. Null where this one has ended already, so that of one come no two, or where the
   * person has not proven any more to be who they are.
   */
  async move({ organizationId, id, userId }: { organizationId: string; id: string; userId: string }, to: string, actor: Actor, origin: Origin, isProven: (tenant: Tenant) => Promise<boolean>): Promise<SessionTokens | null> {
    const sessionId = newId();
    const refreshToken = await this.database.inOrganization(organizationId, async (tenant) => {
      if (!(await isProven(tenant)) || !(await this.endOpen(tenant, { id, userId }, actor, 'switched'))) return null;
      const { expiresAt } = await tenant.manager.findOneByOrFail(Session, { organizationId, id });
      return this.database.elsewhere(tenant, to, (there) => this.begin(there, { sessionId, userId, expiresAt }, origin));
    });
    return refreshToken === null ? null : this.toTokens(to, sessionId, refreshToken);
  }

  /**
   * Exchanges a refresh token for a new pair. Each works once: a second use means that two hold it, and ends the
   * session. Throws `RefreshTokenInvalid` for every token that does not work.
   */
  async refresh(presented: string, origin: Origin): Promise<SessionTokens> {
    if (!presented.startsWith(REFRESH_PREFIX) || !hasValidChecksum(presented)) throw new RefreshTokenInvalid();
    const hashes = this.hasher.hashes(presented);
    const found = await this.database.asHolder(hashes, (manager) => manager.findOneBy(RefreshToken, { secretHash: In([...hashes]) }));
    if (!found) throw new RefreshTokenInvalid();
    const { organizationId, sessionId } = found;
    const outcome = await this.database.inOrganization(organizationId, (tenant) => this.rotate(tenant, found, origin));
    if ('reusedBy' in outcome) {
      await this.refusals.record(organizationId, outcome.reusedBy, { action: 'session.refresh-refused', target: { kind: 'session', id: sessionId }, details: { reason: REUSE } });
    }
    if (!('next' in outcome)) throw new RefreshTokenInvalid();
    return this.toTokens(organizationId, sessionId, outcome.next);
  }

  /** What is known of a session now; null where it is absent, ended, or its person may not enter any more. */
  async findLive(organizationId: string, sessionId: string): Promise<SessionFacts | null> {
    if (this.database.isTogether) return this.liveOf(await this.database.query<SessionFacts>(FACTS, [organizationId, sessionId]));
    const facts = await this.reads.do({ organizationId, sessionId });
    return this.liveOf(facts ? [facts] : []);
  }

  private async readEach(asked: readonly SessionKey[]): Promise<readonly (SessionFacts | null)[]> {
    const distinct = [...new Map(asked.map((key) => [`${key.organizationId} ${key.sessionId}`, key])).values()];
    const parameters = [distinct.map(({ organizationId }) => organizationId), distinct.map(({ sessionId }) => sessionId)];
    const found = await this.database.statement<SessionFacts>('session-facts', FACTS_OF_EACH, parameters);
    return asked.map(({ organizationId, sessionId }) => found.find((facts) => facts.id === sessionId && facts.organization_id === organizationId) ?? null);
  }

  private liveOf([facts]: readonly SessionFacts[]): SessionFacts | null {
    if (!facts || facts.ended_at || facts.user_disabled_at || facts.organization_suspended_at) return null;
    return this.clock.now().isBefore(facts.expires_at) ? facts : null;
  }

  async end(organizationId: string, sessionId: string, actor: Actor, reason: 'logout' | 'refresh-token-reuse'): Promise<void> {
    await this.database.inOrganization(organizationId, (tenant) => this.endOpen(tenant, { id: sessionId, userId: null }, actor, reason));
  }

  /** Ends every session in the tenant's organization, of one person or of all, but for the one that is spared; returns how many. */
  async endAllIn({ organizationId, manager }: Tenant, userId: string | null, actor: Actor, reason: string, spared: string | null = null): Promise<number> {
    const open = { organizationId, endedAt: IsNull(), ...(userId !== null && { userId }), ...(spared !== null && { id: Not(spared) }) };
    const ended = await manager.createQueryBuilder().update(Session).set({ endedAt: this.clock.now(), endReason: reason }).where(open).returning('id').execute();
    const ids = (ended.raw as { id: string }[]).map(({ id }) => id);
    await this.audit.appendEach({ organizationId, manager }, actor, { action: 'session.ended', targetKind: 'session', details: { reason } }, ids);
    return ids.length;
  }

  /** Ends one session, of this person where one is named; false where there is none such, or none any more. */
  async endOpen(tenant: Tenant, { id, userId }: { id: string; userId: string | null }, actor: Actor, reason: string): Promise<boolean> {
    const open = { organizationId: tenant.organizationId, id, endedAt: IsNull(), ...(userId !== null && { userId }) };
    const { affected } = await tenant.manager.update(Session, open, { endedAt: this.clock.now(), endReason: reason });
    if (affected !== 1) return false;
    await this.audit.append(tenant, actor, { action: 'session.ended', target: { kind: 'session', id }, details: { reason } });
    return true;
  }

  private async begin(tenant: Tenant, { sessionId, userId, expiresAt: bound }: { sessionId: string; userId: string; expiresAt?: Instant }, origin: Origin): Promise<string> {
    const { organizationId, manager } = tenant;
    const now = this.clock.now();
    const expiresAt = bound ?? now.plusSeconds(SESSION_SECONDS);
    await manager.insert(Session, { organizationId, id: sessionId, userId, createdAt: now, expiresAt, ip: origin.ip, userAgent: origin.userAgent });
    await this.audit.append(tenant, actorOf(userId, sessionId, origin), { action: 'session.started', target: { kind: 'session', id: sessionId } });
    return this.drawRefreshToken(tenant, sessionId, now);
  }

  private async rotate(tenant: Tenant, { secretHash, sessionId }: RefreshToken, origin: Origin): Promise<Refreshing> {
    const { organizationId, manager } = tenant;
    const session = await manager.findOneBy(Session, { organizationId, id: sessionId });
    // The lock makes one of two simultaneous uses the second.
    const token = await manager.findOne(RefreshToken, { where: { organizationId, secretHash }, lock: { mode: 'pessimistic_write' } });
    const now = this.clock.now();
    if (!session || !token) return {};
    if (token.usedAt) {
      const actor = actorOf(session.userId, sessionId, origin);
      return (await this.endOpen(tenant, { id: sessionId, userId: null }, actor, REUSE)) ? {} : { reusedBy: actor };
    }
    // Not used up where the person may not enter now but may again, as after a suspension.
    if (!now.isBefore(token.expiresAt) || !this.liveOf(await manager.query<SessionFacts[]>(FACTS, [organizationId, sessionId]))) return {};
    await manager.update(RefreshToken, { organizationId, secretHash }, { usedAt: now });
    await this.audit.append(tenant, actorOf(session.userId, sessionId, origin), { action: 'session.refreshed', target: { kind: 'session', id: sessionId } });
    return { next: await this.drawRefreshToken(tenant, sessionId, now) };
  }

  private async drawRefreshToken({ organizationId, manager }: Tenant, sessionId: string, now: Instant): Promise<string> {
    const secret = drawSecret(REFRESH_PREFIX);
    const { hash, pepperId } = this.hasher.hash(secret);
    await manager.insert(RefreshToken, {
      organizationId,
      sessionId,
      secretHash: hash,
      pepperId,
      createdAt: now,
      expiresAt: now.plusSeconds(IDLE_SECONDS),
    });
    return secret;
  }

  private async toTokens(organizationId: string, sessionId: string, refreshToken: string): Promise<SessionTokens> {
    const session = await this.findLive(organizationId, sessionId);
    if (!session) throw new RefreshTokenInvalid();
    const role = { key: session.role_key, permissions: session.role_permissions };
    const scope = permissionsOfRole(role, session.organization_platform, session.registered_permissions);
    const accessToken = this.accessTokens.sign({ userId: session.user_id, organizationId, sessionId, scope });
    return { accessToken, expiresInSeconds: ACCESS_TOKEN_SECONDS, refreshToken, session };
  }
}

function actorOf(userId: string, sessionId: string, origin: Origin): Actor {
  return { kind: 'user', id: userId, credential: { kind: 'session', id: sessionId }, origin };
}
