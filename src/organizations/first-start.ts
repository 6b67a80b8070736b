import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigInvalid } from '../kernel/config.js';
import { Conflict } from '../kernel/failure.js';
import { faultOfPassword } from '../users/password-policy.js';
import { UsersService } from '../users/users.service.js';
import { OrganizationsService } from './organizations.service.js';

const ORGANIZATION = { slug: 'default', name: 'Default' };
const ADMINISTRATOR = 'Administrator';

/** What an empty database begins with: the platform's organization and its administrator. */
@Injectable()
export class FirstStart {
  constructor(
    private readonly users: UsersService,
    private readonly organizations: OrganizationsService,
  ) {}

  /**
   * Returns the administrator's password when it was drawn here, to be printed once; null otherwise. Throws
   * `ConfigInvalid` for a given password that nobody may choose, where it would be used.
   */
  async run(admin: { email: string; password: string | null }): Promise<string | null> {
    if (!(await this.users.isEmpty())) return null;
    const fault = admin.password === null ? null : faultOfPassword(admin.password, { email: admin.email, names: [ADMINISTRATOR, ORGANIZATION.slug] });
    if (fault) throw new ConfigInvalid([`ADMIN_PASSWORD ${fault}`]);
    const drawn = randomBytes(18).toString('base64url');
    try {
      await this.organizations.create({
        ...ORGANIZATION,
        platform: true,
        admin: { email: admin.email, name: ADMINISTRATOR, password: admin.password ?? drawn },
      });
    } catch (error) {
      // Another replica was first.
      if (error instanceof Conflict) return null;
      throw error;
    }
    return admin.password === null ? drawn : null;
  }
}
