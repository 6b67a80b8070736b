import { Injectable } from '@nestjs/common';
import { sqlState } from '../kernel/database/database-failure.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { SESSION_TIMEOUTS } from '../kernel/database/session-settings.js';
import { Unavailable } from '../kernel/failure.js';
import { Grouping, type Outcome } from '../kernel/grouping.js';
import { activeTokensMax, type Policy } from './policy.js';
import type { SecretHash } from './token-secret.js';
import type { MintGrounds, ProjectScope, Token, TokenOwner } from './token.js';

/** A token as it was decided upon, with all that is written with it. */
export interface Mint {
  readonly token: Token;
  readonly owner: TokenOwner;
  readonly projects: ProjectScope;
  readonly secret: SecretHash;
  /** The audit event, as JSON. */
  readonly event: string;
  /** It was decided by these: with others it is not written. */
  readonly policies: readonly Policy[];
  readonly grounds: MintGrounds | null;
}

/** What the SQL function `mint_in_organization` answers of each: only where it was minted has anything of it been written. */
export type MintOutcome =
  /** Followed: webhooks are to be told of it, in the same transaction. */
  | { readonly outcome: 'minted'; readonly followed: boolean }
  /** Webhooks would have to be told. */
  | { readonly outcome: 'followed' }
  | { readonly outcome: 'policies-changed'; readonly policies: readonly Policy[] }
  | { readonly outcome: 'project-gone'; readonly held_ids: readonly string[] }
  | { readonly outcome: 'environment-gone' | 'grounds-changed' | 'parent-ended' | 'no-room' };

/** A mint as the SQL functions read it. */
interface Written {
  readonly organizationId: string;
  readonly json: string;
}

interface Turn extends Written {
  /** Milliseconds of `performance.now`. */
  readonly since: number;
}

/** What came of each mint of an organization in their order; null for what was minted and is told to nobody. */
type Outcomes = readonly (MintOutcome | null)[] | null;

const LIMITS = { itemsMax: 64, underWayMax: 1, slowAfterMs: 30 };
/** Of one organization, each for itself: what they wait for may be the same, and connections are everybody's. */
const ALONE = { itemsMax: 1, underWayMax: 2, slowAfterMs: 60_000 };
/** Several do not wait longer together for what one of them has to wait for. */
const PATIENCE = '100ms';
const TOGETHER = 'SELECT organization_id, outcomes FROM mint_in_organizations($1, $2)';
const WITHIN = 'SELECT mint_in_organization($1, $2, true) AS outcomes';
const MINTED: MintOutcome = { outcome: 'minted', followed: false };
/** What no column holds, as it stands in JSON: NUL, and halves of surrogate pairs. */
const UNSTORABLE = /\\u(?:0000|d[89a-f])/;
/** What the server says of a statement that it has taken back. 08 connection, 53 resources, 57 operator intervention: who knows. */
const TAKEN_BACK = /^(?!08|53|57)[0-9FHPX][0-9A-Z]{4}$/;

/** Writes tokens that were decided upon. One statement looks once more at what they were decided by. */
@Injectable()
export class TokenMintRepository {
  private readonly grouping = new Grouping<Written, MintOutcome>((mints) => this.writeGroup(mints), LIMITS);
  /** By organization, while there are any. */
  private readonly alone = new Map<string, Grouping<Turn, MintOutcome>>();

  constructor(private readonly database: Database) {}

  /**
   * Writes the token in a transaction of its own, or of several that are minted at the same time, in whichever
   * organizations. Where webhooks would have to be told of it, it is not written.
   */
  write(mint: Mint): Promise<MintOutcome> {
    const written = { organizationId: mint.token.organizationId, json: toJson(mint) };
    return UNSTORABLE.test(written.json) ? this.writeAlone(written) : this.grouping.do(written);
  }

  /** Writes the token within a transaction of its organization that has begun. */
  async writeIn({ organizationId, manager }: Tenant, mint: Mint): Promise<MintOutcome> {
    const [{ outcomes }] = await manager.query<[{ outcomes: Outcomes }]>(WITHIN, [organizationId, `[${toJson(mint)}]`]);
    return outcomes?.[0] ?? MINTED;
  }

  private async writeGroup(mints: readonly Written[]): Promise<readonly Outcome<MintOutcome>[]> {
    try {
      return await this.statement(mints, mints.length > 1 ? PATIENCE : null);
    } catch (error) {
      if (mints.length === 1 || !TAKEN_BACK.test(sqlState(error) ?? '')) throw error;
      // One that cannot be written, or has to wait, neither takes the others along nor holds them up.
      return mints.map((mint) => this.writeAlone(mint));
    }
  }

  private writeAlone(mint: Written): Promise<MintOutcome> {
    const { organizationId } = mint;
    const turns = this.alone.get(organizationId) ?? new Grouping<Turn, MintOutcome>((mints) => this.writeInTurn(mints), ALONE);
    this.alone.set(organizationId, turns);
    return turns.do({ ...mint, since: performance.now() }).finally(() => {
      if (turns.isIdle) this.alone.delete(organizationId);
    });
  }

  /** Who has waited for a turn as long as anybody waits for a lock is not written, later than anybody knows. */
  private async writeInTurn(mints: readonly Turn[]): Promise<MintOutcome[]> {
    if (mints.some(({ since }) => performance.now() - since > SESSION_TIMEOUTS.lock_timeout)) throw new Unavailable();
    return this.statement(mints, null);
  }

  private async statement(mints: readonly Written[], patience: string | null): Promise<MintOutcome[]> {
    const groups = new Map<string, number[]>();
    for (const [place, { organizationId }] of mints.entries()) {
      const places = groups.get(organizationId);
      if (places) places.push(place);
      else groups.set(organizationId, [place]);
    }
    const json = Array.from(groups, ([organizationId, places]) => `{"organization_id":"${organizationId}","mints":[${places.map((place) => mints[place]?.json).join()}]}`);
    const rows = await this.database.statement<{ organization_id: string; outcomes: Outcomes }>('mint-tokens', TOGETHER, [`[${json.join()}]`, patience]);
    const outcomes = new Array<MintOutcome>(mints.length);
    for (const { organization_id: organizationId, outcomes: own } of rows) {
      for (const [index, place] of (groups.get(organizationId) ?? []).entries()) outcomes[place] = own?.[index] ?? MINTED;
    }
    return outcomes;
  }
}

/** What is undefined is left out: less to send, and to read. */
function toJson({ token, owner, projects, secret, event, policies, grounds }: Mint): string {
  const members = JSON.stringify({
    id: token.id,
    short_id: token.shortId ?? undefined,
    number: token.number ?? undefined,
    kind: token.kind,
    name: token.name ?? undefined,
    description: token.description ?? undefined,
    user_id: token.userId ?? undefined,
    project_id: 'projectId' in owner ? owner.projectId : undefined,
    identity_id: 'identityId' in owner ? owner.identityId : undefined,
    parent_id: token.parentId ?? undefined,
    client_secret_id: token.clientSecretId ?? undefined,
    sub_organization_id: token.subOrganizationId ?? undefined,
    permissions: token.permissions ?? undefined,
    role_id: token.roleId ?? undefined,
    project_ids: projects === 'all' ? undefined : projects.map(({ id }) => id),
    environment: token.environment ?? undefined,
    hint: token.hint,
    allowed_addresses: token.allowedAddresses ?? undefined,
    ttl_seconds: token.ttlSeconds ?? undefined,
    max_ttl_seconds: token.maxTtlSeconds ?? undefined,
    expires_at: token.expiresAt ?? undefined,
    uses_limit: token.usesLimit ?? undefined,
    created_at: token.createdAt,
    created_by: token.createdBy,
    attributes: token.attributes,
    secret_hash: secret.hash.toString('hex'),
    pepper_id: secret.pepperId,
    policies: policies.length === 0 ? undefined : policies,
    grounds: grounds ?? undefined,
    active_tokens_max: activeTokensMax(policies) ?? undefined,
  });
  return `${members.slice(0, -1)},"event":${event}}`;
}
