import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { requireUser, type Principal } from '../access/principal.js';
import { Clock } from '../kernel/clock.js';
import { Database } from '../kernel/database/database.js';
import { newId } from '../kernel/ids.js';
import { Passwords } from './passwords.js';
import { User } from './user.entity.js';

export interface Person {
  readonly id: string;
  readonly email: string;
  readonly name: string;
}

/** Where a person is a member. */
export interface OwnOrganization {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  /** False where the membership is disabled or the organization stopped. */
  readonly open: boolean;
}

export interface NewPerson {
  readonly email: string;
  readonly name: string;
  readonly password: string;
}

/** People of the whole installation. What one may do in an organization is the organization's to say. */
@Injectable()
export class UsersService {
  constructor(
    private readonly database: Database,
    private readonly passwords: Passwords,
    private readonly clock: Clock,
  ) {}

  /** True until the first person exists. */
  async isEmpty(): Promise<boolean> {
    return !(await this.database.shared.exists(User));
  }

  /** Hashes first, since that is slow, and creates within a transaction that begins only then. */
  async prepare({ email, name, password }: NewPerson): Promise<(manager: EntityManager) => Promise<Person>> {
    const passwordHash = await this.passwords.hash(password);
    return (manager) => this.insert(manager, { email, name, passwordHash });
  }

  /** Who has this e-mail address and this password; null otherwise, in the same time whatever was wrong. */
  async findByPassword(email: string, password: string): Promise<Person | null> {
    const user = await this.database.shared.findOne(User, {
      where: { emailCanonical: toCanonicalEmail(email) },
      select: { id: true, email: true, name: true, passwordHash: true, disabledAt: true },
    });
    const matches = await this.passwords.matches(password, user?.passwordHash ?? null);
    return user && matches && !user.disabledAt ? { id: user.id, email: user.email, name: user.name } : null;
  }

  /** The organizations a person belongs to, in the order they joined. */
  organizationsOf(userId: string): Promise<OwnOrganization[]> {
    return this.database.asUser(userId, (manager) =>
      manager.query<OwnOrganization[]>(
        `SELECT o.id, o.slug, o.name, m.disabled_at IS NULL AND organization_stopped_at(o.id) IS NULL AS open
           FROM memberships m JOIN organizations o ON o.id = m.organization_id
          WHERE m.user_id = $1 ORDER BY m.created_at, m.id`,
        [userId],
      ));
  }

  /** Where the caller's person may enter now. A token is bound to its organization and learns of no other. */
  async organizationsOpenTo(principal: Principal): Promise<OwnOrganization[]> {
    const organizations = await this.organizationsOf(requireUser(principal).id);
    return organizations.filter(({ id, open }) => open && (principal.token === null || id === principal.organizationId));
  }

  private async insert(manager: EntityManager, { email, name, passwordHash }: { email: string; name: string; passwordHash: string }): Promise<Person> {
    const now = this.clock.now();
    const person = { id: newId(), email: email.trim(), name };
    await manager.insert(User, {
      ...person,
      emailCanonical: toCanonicalEmail(email),
      passwordHash,
      createdAt: now,
      updatedAt: now,
    });
    return person;
  }
}

/** One account, however its address is spelled. */
export function toCanonicalEmail(email: string): string {
  return email.normalize('NFKC').trim().toLowerCase();
}
