import { Injectable } from '@nestjs/common';
import { IsNull, type EntityManager } from 'typeorm';
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

/** A person, and which of their passwords was in force when that was found out. */
export interface KnownPerson extends Person {
  readonly passwordVersion: number;
}

/** Where a person is a member. */
export interface OwnOrganization {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  /** It belongs to another organization, so that its slug may be somebody else's too. */
  readonly within: boolean;
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

  hash(password: string): Promise<string> {
    return this.passwords.hash(password);
  }

  /** Who has this e-mail address and this password; null otherwise, in the same time whatever was wrong. */
  findByPassword(email: string, password: string): Promise<KnownPerson | null> {
    return this.findProven({ emailCanonical: toCanonicalEmail(email) }, password);
  }

  /** The person, if this is their password; null otherwise. */
  prove(id: string, password: string): Promise<KnownPerson | null> {
    return this.findProven({ id }, password);
  }

  /** Null for a person who is unknown or disabled. */
  async find(manager: EntityManager, id: string): Promise<KnownPerson | null> {
    const user = await manager.findOne(User, { where: { id, disabledAt: IsNull() }, select: { id: true, email: true, name: true, passwordVersion: true } });
    return user && toKnownPerson(user);
  }

  /** False where the person has chosen another password since, or is disabled. What was true stays so until the transaction ends. */
  async isStillCurrent(manager: EntityManager, { id, passwordVersion }: KnownPerson): Promise<boolean> {
    return (await manager.findOne(User, { where: { id, passwordVersion, disabledAt: IsNull() }, select: { id: true }, lock: { mode: 'pessimistic_read' } })) !== null;
  }

  /** Puts another password in the place of the one the person had; false where that is not theirs any more. */
  async replacePassword(manager: EntityManager, { id, passwordVersion }: KnownPerson, passwordHash: string): Promise<boolean> {
    const replaced = { passwordHash, passwordVersion: passwordVersion + 1, updatedAt: this.clock.now() };
    const { affected } = await manager.update(User, { id, passwordVersion, disabledAt: IsNull() }, replaced);
    return affected === 1;
  }

  /** Ids of the organizations the person is a member of, be it that they may not enter some now. */
  async organizationIdsOf(manager: EntityManager, userId: string): Promise<readonly string[]> {
    const rows = await manager.query<{ id: string }[]>('SELECT id FROM organizations_of($1) AS id', [userId]);
    return rows.map(({ id }) => id);
  }

  /** The organizations a person belongs to, in the order they joined. */
  organizationsOf(userId: string): Promise<OwnOrganization[]> {
    return this.database.asUser(userId, (manager) =>
      manager.query<OwnOrganization[]>(
        `SELECT o.id, o.slug, o.name, o.parent_id IS NOT NULL AS within, m.disabled_at IS NULL AND organization_stopped_at(o.id) IS NULL AS open
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

  private async findProven(who: { id: string } | { emailCanonical: string }, password: string): Promise<KnownPerson | null> {
    const user = await this.database.shared.findOne(User, {
      where: who,
      select: { id: true, email: true, name: true, passwordHash: true, passwordVersion: true, disabledAt: true },
    });
    const matches = await this.passwords.matches(password, user?.passwordHash ?? null);
    return user && matches && !user.disabledAt ? toKnownPerson(user) : null;
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

function toKnownPerson({ id, email, name, passwordVersion }: User): KnownPerson {
  return { id, email, name, passwordVersion };
}

/** One account, however its address is spelled. */
export function toCanonicalEmail(email: string): string {
  return email.normalize('NFKC').trim().toLowerCase();
}
