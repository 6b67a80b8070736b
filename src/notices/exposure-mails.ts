import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { Actor } from '../audit/actor.js';
import { AuditLog, type AuditFollower, type Happening } from '../audit/audit-log.js';
import { Database, type Tenant } from '../kernel/database/database.js';
import { Mailer, type Message } from '../kernel/mail/mailer.js';
import { Maintenance, type Done } from '../kernel/maintenance/maintenance.js';
import { listed, TokenOwners, type OwnedToken } from './token-owners.js';

const EVERY_SECONDS = 5;

/**
 * Letters about tokens whose secrets have leaked. That one is owed is noted in the transaction that records the leak; it
 * is written a few seconds later, one to each person, however many tokens were reported at once.
 */
@Injectable()
export class ExposureMails implements AuditFollower, OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
    private readonly maintenance: Maintenance,
    private readonly mailer: Mailer,
    private readonly owners: TokenOwners,
  ) {}

  onModuleInit(): void {
    if (!this.mailer.isConfigured) return;
    this.audit.tell(this);
    this.maintenance.add({
      name: 'notices.mail-exposed',
      everySeconds: EVERY_SECONDS,
      organizations: async () => (await this.database.query<{ id: string }>('SELECT id FROM organizations_to_mail()')).map(({ id }) => id),
      inOrganization: (tenant, limit) => this.write(tenant, limit),
    });
  }

  async heard({ organizationId, manager }: Tenant, _: Actor, { action }: Pick<Happening, 'action' | 'details'>, tokenIds: readonly (string | null)[]): Promise<void> {
    if (action !== 'token.exposed') return;
    await manager.query('INSERT INTO exposures_to_mail (organization_id, token_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING', [organizationId, tokenIds]);
  }

  private async write(tenant: Tenant, limit: number): Promise<Done> {
    const { organizationId, manager } = tenant;
    const [taken] = await manager.query<[{ token_id: string }[], number]>(
      `DELETE FROM exposures_to_mail WHERE organization_id = $1 AND token_id = ANY (ARRAY(
         SELECT token_id FROM exposures_to_mail WHERE organization_id = $1 LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING token_id`,
      [organizationId, limit],
    );
    const letters = [...(await this.owners.of(tenant, taken.map(({ token_id: id }) => id)))].map(([to, tokens]) => letter(to, tokens));
    return { count: taken.length, onceCommitted: () => letters.forEach((message) => this.mailer.send(message)) };
  }
}

/** Not where it was found: whoever reports says that, and it would be a link in a letter of ours. */
function letter(to: string, tokens: readonly OwnedToken[]): Message {
  const [first] = tokens;
  const organization = first?.organization ?? '';
  const one = tokens.length === 1;
  const live = tokens.some(({ revokedAt }) => revokedAt === null);
  return {
    to,
    subject: `${one ? 'An API token' : `${tokens.length} API tokens`} of ${organization} ${one ? 'has' : 'have'} leaked`,
    text: `Hello,

somebody has reported the secret of ${one ? 'this API token' : 'each of these API tokens'} of ${organization}, found where others can read it:

${listed(tokens, ({ revokedAt }) => (revokedAt ? 'was revoked and does not work any more' : 'STILL WORKS, as the policy wants it'))}

${live ? 'Replace what still works at once: rotate it, or revoke it. ' : ''}Put a new token wherever this one is used, and look at what was done with it in the
audit log, which also says where it was found (token.exposed).
`,
  };
}
