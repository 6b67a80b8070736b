import { Injectable } from '@nestjs/common';
import type { Origin } from '../kernel/origin.js';
import type { Principal } from './principal.js';

/** Null for what is no client secret at all; throws `CredentialsInvalid` for one that is not this client's. */
type FindClient = (clientId: string, secret: string, origin: Origin) => Promise<Principal | null>;

/** Who the clients are that send an id and a secret; whoever keeps them provides the answer. */
@Injectable()
export class ClientPrincipals {
  private source: FindClient = () => Promise.resolve(null);

  provide(source: FindClient): void {
    this.source = source;
  }

  find(clientId: string, secret: string, origin: Origin): Promise<Principal | null> {
    return this.source(clientId, secret, origin);
  }
}
