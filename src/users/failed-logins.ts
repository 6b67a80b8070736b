import { Injectable, Logger } from '@nestjs/common';
import { RefusalLog } from '../access/refusal-log.js';
import type { Actor } from '../audit/actor.js';
import { Database } from '../kernel/database/database.js';
import type { Origin } from '../kernel/origin.js';
import { toCanonicalEmail } from './users.service.js';

/** Who somebody says they are, and where they ask to enter: an id or slug. */
export interface LoginAttempt {
  readonly email: string;
  readonly organization?: string;
}

/** `throttled`: there were too many before. `credentials`: nobody has this e-mail address and password, or may log in with them. `organization`: they may not enter that one, or any. */
export type LoginFault = 'throttled' | 'credentials' | 'organization';

/** A row of the SQL function `failed_login_facts`. */
interface Facts {
  readonly user_id: string | null;
  readonly organization_id: string;
}

/**
 * Records failed logins: of a person in the organization they asked for or, where they do not belong to it, in the first
 * they joined; of anybody else in the platform's. The steps are the same for all, so that time does not tell them apart.
 */
@Injectable()
export class FailedLogins {
  private readonly logger = new Logger('FailedLogins');

  constructor(
    private readonly database: Database,
    private readonly refusals: RefusalLog,
  ) {}

  /** Never rejects. What was typed is not recorded: people type passwords into the wrong field. */
  async record({ email, organization }: LoginAttempt, reason: LoginFault, origin: Origin): Promise<void> {
    try {
      const facts = await this.factsOf(email, organization);
      if (!facts) return;
      const stranger: Actor = { kind: 'anonymous', id: null, credential: null, origin };
      await this.refusals.record(facts.organization_id, stranger, {
        action: reason === 'throttled' ? 'login.throttled' : 'login.failed',
        target: { kind: 'user', id: facts.user_id },
        details: reason === 'throttled' ? {} : { reason },
      });
    } catch (error) {
      this.logger.error(`a failed login could not be recorded: ${error instanceof Error ? error.message : 'unknown error'}`);
    }
  }

  /** Who has this address, if anybody has, and where what strangers do to it is recorded. */
  async factsOf(email: string, organization?: string): Promise<Facts | null> {
    const [facts] = await this.database.query<Facts>('SELECT * FROM failed_login_facts($1, $2)', [toCanonicalEmail(email), organization ?? null]);
    return facts ?? null;
  }
}
