import type { IncomingHttpHeaders } from 'node:http';
import { CredentialsInvalid } from '../access/authenticator.js';
import { DomainError, InputInvalid } from '../kernel/failure.js';
import { ClientAssertions } from '../machine-identities/client-assertions.js';
import type { ClientCredentials } from '../machine-identities/client-login.service.js';
import { basicCredentials } from './basic-credentials.js';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** Members of a token request by which a client may say who it is (RFC 6749 section 2.3.1, RFC 7523 section 2.2). */
export interface ClientParameters {
  readonly client_id?: string;
  readonly client_secret?: string;
  readonly client_assertion?: string;
  readonly client_assertion_type?: string;
}

/** What a client presents to prove itself; refuses none, and more than one way at once. */
export function clientOf(headers: IncomingHttpHeaders, body: ClientParameters): Pick<ClientCredentials, 'clientId' | 'proof'> {
  const { client_id: clientId, client_secret: secret, client_assertion: assertion } = body;
  const presented = basicCredentials(headers);
  if (presented === 'malformed') throw new CredentialsInvalid('client');
  const basic = presented ?? undefined;
  const ways = [basic, secret, assertion].filter((way) => way !== undefined).length;
  if (ways > 1) throw new DomainError('credentials-ambiguous', 'The client proves itself in more than one way.', {});
  if (basic) {
    if (clientId !== undefined && clientId !== basic.clientId) throw InputInvalid.at('client_id', 'same', 'must be the client that authenticates');
    return { clientId: basic.clientId, proof: { secret: basic.secret } };
  }
  if (assertion !== undefined) {
    if (body.client_assertion_type !== ASSERTION_TYPE) throw InputInvalid.at('client_assertion_type', 'supported', `must be ${ASSERTION_TYPE}`);
    const subject = ClientAssertions.clientOf(assertion);
    if (subject === null || (clientId !== undefined && clientId !== subject)) throw new CredentialsInvalid('client');
    return { clientId: subject, proof: { assertion } };
  }
  if (clientId === undefined || secret === undefined) throw new DomainError('credentials-missing', 'The client does not say who it is.', {});
  return { clientId, proof: { secret } };
}
