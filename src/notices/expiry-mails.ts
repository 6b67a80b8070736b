import { Injectable } from '@nestjs/common';
import type { Tenant } from '../kernel/database/database.js';
import type { Instant } from '../kernel/instant.js';
import { Mailer, type Message } from '../kernel/mail/mailer.js';

const LISTED_MAX = 50;

interface EndingToken {
  readonly name: string | null;
  readonly hint: string;
  readonly kind: string;
  readonly expiresAt: Instant;
  readonly organization: string;
  /** Null for a token without a person. */
  readonly userId: string | null;
  /** Null where nobody may be written to any more. */
  readonly email: string | null;
}

/** Letters about tokens that end soon: to the person whose token it is, and about all others to the administrators. */
@Injectable()
export class ExpiryMails {
  constructor(private readonly mailer: Mailer) {}

  /** False where no mail can be sent at all. */
  get arePossible(): boolean {
    return this.mailer.isConfigured;
  }

  /** One to each person, however many tokens it is about; none from an organization that is stopped. */
  async write(tenant: Tenant, days: number, tokenIds: readonly string[]): Promise<readonly Message[]> {
    const tokens = await this.tokensOf(tenant, tokenIds);
    const byRecipient = new Map<string, EndingToken[]>();
    const admins = tokens.some(({ userId }) => userId === null) ? await this.adminsOf(tenant) : [];
    for (const token of tokens) {
      const recipients = token.userId === null ? admins : token.email === null ? [] : [token.email];
      for (const to of recipients) byRecipient.set(to, [...(byRecipient.get(to) ?? []), token]);
    }
    return [...byRecipient].map(([to, about]) => letter(to, about, days));
  }

  send(messages: readonly Message[]): void {
    for (const message of messages) this.mailer.send(message);
  }

  private tokensOf({ organizationId, manager }: Tenant, ids: readonly string[]): Promise<EndingToken[]> {
    return manager.query<EndingToken[]>(
      `SELECT t.name, t.hint, t.kind, t.expires_at AS "expiresAt", o.name AS organization, t.user_id AS "userId", u.email
         FROM api_tokens t
         JOIN organizations o ON o.id = t.organization_id
         LEFT JOIN memberships m ON m.organization_id = t.organization_id AND m.user_id = t.user_id AND m.removed_at IS NULL AND m.disabled_at IS NULL
         LEFT JOIN users u ON u.id = m.user_id AND u.disabled_at IS NULL
        WHERE t.organization_id = $1 AND t.id = ANY ($2::uuid[]) AND organization_stopped_at(o.id) IS NULL
        ORDER BY t.expires_at, t.id`,
      [organizationId, ids],
    );
  }

  private async adminsOf({ organizationId, manager }: Tenant): Promise<string[]> {
    const rows = await manager.query<{ email: string }[]>(
      `SELECT u.email FROM memberships m
         JOIN roles r ON r.organization_id = m.organization_id AND r.id = m.role_id AND r.built_in AND r.key = 'ADMIN'
         JOIN users u ON u.id = m.user_id AND u.disabled_at IS NULL
        WHERE m.organization_id = $1 AND m.removed_at IS NULL AND m.disabled_at IS NULL`,
      [organizationId],
    );
    return rows.map(({ email }) => email);
  }
}

function letter(to: string, tokens: readonly EndingToken[], days: number): Message {
  const [first] = tokens;
  const within = days === 1 ? 'a day' : `${days} days`;
  const lines = tokens.slice(0, LISTED_MAX).map(({ name, hint, kind, expiresAt }) => `  ${name ?? 'without a name'} (${kind}, ${hint}) ends at ${expiresAt.toRfc3339(0)}`);
  const rest = tokens.length - lines.length;
  return {
    to,
    subject: `${tokens.length === 1 ? 'An API token' : `${tokens.length} API tokens`} of ${first?.organization ?? ''} will end within ${within}`,
    text: `Hello,

${tokens.length === 1 ? 'this API token' : 'these API tokens'} of ${first?.organization ?? ''} will end within ${within}:

${lines.join('\n')}${rest > 0 ? `\n  and ${rest} more` : ''}

Whatever uses them stops working then. Prolong them or put others in their place before.
`,
  };
}
