import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Conflict } from '../kernel/failure.js';
import { UsersService } from '../users/users.service.js';
import { OrganizationsService } from './organizations.service.js';

/** What an empty database begins with: the platform's organization and its administrator. */
@Injectable()
export class FirstStart {
  constructor(
    private readonly users: UsersService,
    private readonly organizations: OrganizationsService,
  ) {}

  /** Returns the administrator's password when it was drawn here, to be printed once; null otherwise. */
  async run(admin: { email: string; password: string | null }): Promise<string | null> {
    if (!(await this.users.isEmpty())) return null;
    const drawn = randomBytes(18).toString('base64url');
    try {
      await this.organizations.create({
        slug: 'default',
        name: 'Default',
        platform: true,
        admin: { email: admin.email, name: 'Administrator', password: admin.password ?? drawn },
      });
    } catch (error) {
      // Another replica was first.
      if (error instanceof Conflict) return null;
      throw error;
    }
    return admin.password === null ? drawn : null;
  }
}
