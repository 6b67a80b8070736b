import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AuditLog } from '../audit/audit-log.js';
import { Clock } from '../kernel/clock.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { Maintenance } from '../kernel/maintenance/maintenance.js';
import { ApiTokenRepository } from './api-token.repository.js';
import { isPublicSecret, requireCovering } from './permissions.js';
import { NotOwner, RotationRefused, SecretIsPublic, TokenNotFound } from './token.errors.js';
import { drawSecret, hintOf, prefixOf, SecretHasher } from './token-secret.js';
import { TokenSecretsRepository } from './token-secrets.repository.js';
import type { Caller, MintedToken, Token } from './token.js';
import { judge, know, type VerifiedToken } from './verdict.js';

export const OVERLAP_SECONDS_DEFAULT = 24 * 3_600;
export const OVERLAP_SECONDS_MAX = 7 * 24 * 3_600;
/** A secret that was replaced is known for so long after its end. */
export const REPLACED_KNOWN_SECONDS = 30 * 24 * 3_600;

export interface RotateOptions {
  /** How long the secrets in use work on from the first use of the new one; 0 ends them with it. */
  readonly overlapSeconds?: number;
}

/** Gives tokens new secrets: id, name, permissions and limits stay, the end of their life too. */
@Injectable()
export class TokenRotation implements OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly tokens: ApiTokenRepository,
    private readonly secrets: TokenSecretsRepository,
    private readonly hasher: SecretHasher,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
    private readonly maintenance: Maintenance,
  ) {}

  onModuleInit(): void {
    this.maintenance.add({
      name: 'tokens.forget-replaced-secrets',
      everySeconds: 3_600,
      inOrganization: (tenant, limit) => this.secrets.forgetReplaced(tenant, this.clock.now().plusSeconds(-REPLACED_KNOWN_SECONDS), limit),
    });
  }

  /**
   * Draws a secret that waits for its first use; until then the one in use stays as it is. One that waits already is
   * cancelled. Whoever may not do all that the token may is refused (`PermissionExceeded`), and so is whoever would get
   * another person's token (`NotOwner`). `RotationRefused` for one that does not work.
   */
  rotate(caller: Caller, tokenId: string, options: RotateOptions = {}): Promise<MintedToken> {
    return this.database.inOrganization(caller.organizationId, async (tenant) => {
      const { id } = await this.find(tenant, caller, tokenId);
      return this.rotateIn(tenant, caller, id, options);
    });
  }

  /** The same with the token itself, which takes no permission; not for one whose secret is public. */
  async rotateSelf(caller: Caller, options: RotateOptions = {}): Promise<MintedToken> {
    const { tokenId, permissions } = caller;
    if (tokenId === null || isPublicSecret(permissions)) throw new SecretIsPublic();
    return this.database.inOrganization(caller.tokenKeptIn ?? caller.organizationId, (tenant) => this.rotateIn(tenant, { ...caller, projects: 'all' }, tokenId, options));
  }

  private async rotateIn(tenant: Tenant, caller: Caller, id: string, { overlapSeconds = OVERLAP_SECONDS_DEFAULT }: RotateOptions): Promise<MintedToken> {
    await this.tokens.lock(tenant, id);
    const now = this.clock.now();
    const token = await this.find(tenant, caller, id);
    const facts = await this.secrets.factsOf(tenant, id);
    const verdict = facts && judge(know(facts), now, null);
    if (!verdict?.active) throw new RotationRefused(verdict?.reason ?? 'expired');
    requireEntitled(caller, verdict.token);
    const prefix = prefixOf(token.hint);
    const secret = drawSecret(prefix);
    const hint = hintOf(secret, prefix);
    const cancelled = await this.secrets.putNext(tenant, id, { ...this.hasher.hash(secret), hint, overlapSeconds }, now);
    await this.audit.append(tenant, caller.actor, {
      action: 'token.rotated',
      target: { kind: 'token', id },
      details: { hint, overlapSeconds, ...(cancelled !== null && { cancelled }) },
    });
    return { token: { ...token, pendingRotation: { since: now, hint, overlapSeconds }, updatedAt: now }, secret };
  }

  private async find(tenant: Tenant, caller: Caller, id: string): Promise<Token> {
    const token = await this.tokens.find(tenant, caller.projects, id, {}, this.clock.now());
    if (!token) throw new TokenNotFound(id);
    return token;
  }
}

/** A new secret is as good as a new token: who could not mint it does not get it. */
function requireEntitled(caller: Caller, token: VerifiedToken): void {
  if (token.id === caller.tokenId) {
    // Else a secret that leaked could outlive the rotation that is to end it.
    if (caller.secretReplaced) throw new RotationRefused('replaced');
    return;
  }
  requireCovering(caller, { permissions: token.permissions, bounds: [...token.bounds] });
  if (token.user && !(caller.actor.kind === 'user' && caller.actor.id === token.user.id)) throw new NotOwner();
}
