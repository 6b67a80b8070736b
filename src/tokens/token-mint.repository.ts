import { Injectable } from '@nestjs/common';
import type { AuditRecord } from '../audit/audit-record.js';
import { sqlState } from '../kernel/database/database-failure.js';
import { Database, type Tenant } from '../kernel/database/database.js';
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
  readonly event: AuditRecord;
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

interface Row {
  readonly outcome: MintOutcome;
}

const LIMITS = { itemsMax: 64, underWayMax: 2, slowAfterMs: 100 };
/** Several do not wait longer together for what one of them has to wait for. */
const PATIENCE = '100ms';
const TOGETHER = 'SELECT mint_tokens($1, $2) AS outcome';
const WITHIN = 'SELECT mint_token($1) AS outcome';
/** What no column holds, as it stands in JSON: NUL, and halves of surrogate pairs. */
const UNSTORABLE = /\\u(?:0000|d[89a-f])/;
/** What the server says of a statement that it has taken back. 08 connection, 53 resources, 57 operator intervention: who knows. */
const TAKEN_BACK = /^(?!08|53|57)[0-9FHPX][0-9A-Z]{4}$/;

/** Writes tokens that were decided upon. One statement looks once more at what they were decided by. */
@Injectable()
export class TokenMintRepository {
  private readonly grouping = new Grouping<string, MintOutcome>((mints) => this.writeGroup(mints), LIMITS);

  constructor(private readonly database: Database) {}

  /**
   * Writes the token in a transaction of its own, or of several that are minted at the same time, in whichever
   * organizations. Where webhooks would have to be told of it, it is not written.
   */
  write(mint: Mint): Promise<MintOutcome> {
    const json = toJson(mint, false);
    return UNSTORABLE.test(json) ? this.writeAlone(json) : this.grouping.do(json);
  }

  /** Writes the token within a transaction of its organization that has begun. */
  async writeIn({ manager }: Tenant, mint: Mint): Promise<MintOutcome> {
    const [row] = await manager.query<Row[]>(WITHIN, [toJson(mint, true)]);
    return row.outcome;
  }

  private async writeGroup(mints: readonly string[]): Promise<readonly Outcome<MintOutcome>[]> {
    try {
      return await this.statement(mints, mints.length > 1 ? PATIENCE : null);
    } catch (error) {
      if (mints.length === 1 || !TAKEN_BACK.test(sqlState(error) ?? '')) throw error;
      // One that cannot be written, or has to wait, neither takes the others along nor holds them up.
      return mints.map((mint) => this.writeAlone(mint));
    }
  }

  private async writeAlone(mint: string): Promise<MintOutcome> {
    const [outcome] = await this.statement([mint], null);
    return outcome;
  }

  private async statement(mints: readonly string[], patience: string | null): Promise<MintOutcome[]> {
    const rows = await this.database.statement<Row>('mint-tokens', TOGETHER, [`[${mints.join()}]`, patience]);
    return rows.map(({ outcome }) => outcome);
  }
}

function toJson({ token, owner, projects, secret, event, policies, grounds }: Mint, mayBeFollowed: boolean): string {
  return JSON.stringify({
    token: {
      organization_id: token.organizationId,
      id: token.id,
      short_id: token.shortId,
      number: token.number,
      kind: token.kind,
      name: token.name,
      description: token.description,
      user_id: token.userId,
      project_id: 'projectId' in owner ? owner.projectId : null,
      identity_id: 'identityId' in owner ? owner.identityId : null,
      parent_id: token.parentId,
      client_secret_id: token.clientSecretId,
      sub_organization_id: token.subOrganizationId,
      permissions: token.permissions,
      role_id: token.roleId,
      all_projects: projects === 'all',
      environment: token.environment,
      hint: token.hint,
      allowed_addresses: token.allowedAddresses,
      ttl_seconds: token.ttlSeconds,
      max_ttl_seconds: token.maxTtlSeconds,
      expires_at: token.expiresAt,
      uses_limit: token.usesLimit,
      created_at: token.createdAt,
      created_by: token.createdBy,
      attributes: token.attributes,
    },
    project_ids: projects === 'all' ? null : projects.map(({ id }) => id),
    secret_hash: secret.hash.toString('hex'),
    pepper_id: secret.pepperId,
    event,
    policies,
    grounds,
    active_tokens_max: activeTokensMax(policies),
    may_be_followed: mayBeFollowed,
  });
}
