import { Injectable } from '@nestjs/common';
import type { Tenant } from '../kernel/database/database.js';
import { Mailer, type Message } from '../kernel/mail/mailer.js';
import { listed, TokenOwners, type OwnedToken } from './token-owners.js';

/** Letters about tokens that end soon. */
@Injectable()
export class ExpiryMails {
  constructor(
    private readonly mailer: Mailer,
    private readonly owners: TokenOwners,
  ) {}

  /** False where no mail can be sent at all. */
  get arePossible(): boolean {
    return this.mailer.isConfigured;
  }

  /** One to each person, however many tokens it is about. */
  async write(tenant: Tenant, days: number, tokenIds: readonly string[]): Promise<readonly Message[]> {
    return [...(await this.owners.of(tenant, tokenIds))].map(([to, tokens]) => letter(to, tokens, days));
  }

  send(messages: readonly Message[]): void {
    for (const message of messages) this.mailer.send(message);
  }
}

function letter(to: string, tokens: readonly OwnedToken[], days: number): Message {
  const [first] = tokens;
  const within = days === 1 ? 'a day' : `${days} days`;
  return {
    to,
    subject: `${tokens.length === 1 ? 'An API token' : `${tokens.length} API tokens`} of ${first?.organization ?? ''} will end within ${within}`,
    text: `Hello,

${tokens.length === 1 ? 'this API token' : 'these API tokens'} of ${first?.organization ?? ''} will end within ${within}:

${listed(tokens, ({ expiresAt }) => `ends at ${expiresAt?.toRfc3339(0) ?? ''}`)}

Whatever uses them stops working then. Prolong them or put others in their place before.
`,
  };
}
