import { verify } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { CredentialsInvalid } from '../access/authenticator.js';
import { DomainError, InputInvalid } from '../kernel/failure.js';
import type { ReceivedBody } from '../kernel/http/received-body.js';
import type { FoundSecret } from '../tokens/token-exposure.js';
import { GithubKeys } from './github-keys.js';
import { LEAKS_MAX } from './leaks.dto.js';

export interface AlertSignature {
  readonly keyId: string | undefined;
  readonly signature: string | undefined;
}

/** Reads what GitHub secret scanning sends to partners, and nothing that GitHub did not sign. */
@Injectable()
export class GithubAlerts {
  constructor(private readonly keys: GithubKeys) {}

  /** Throws `CredentialsInvalid` for whatever GitHub did not sign, before anything of it is read. */
  async read(body: ReceivedBody | null, { keyId, signature }: AlertSignature): Promise<readonly FoundSecret[]> {
    if (!keyId || !signature) throw new DomainError('credentials-missing', 'The alert is not signed.', {});
    const key = /^[0-9A-Za-z]{1,128}$/.test(keyId) ? await this.keys.find(keyId) : null;
    if (!body || !key || !isSigned(body.bytes, signature, key)) throw new CredentialsInvalid('signature');
    const alerts: unknown = body.read();
    if (!Array.isArray(alerts) || alerts.length > LEAKS_MAX) throw new InputInvalid([{ part: 'body', at: [], rule: 'size', message: `must be a list of at most ${LEAKS_MAX}` }]);
    return alerts.flatMap((alert: { token?: unknown; url?: unknown } | null) =>
      typeof alert?.token === 'string' ? [{ secret: alert.token, url: typeof alert.url === 'string' && alert.url !== '' ? alert.url.slice(0, 2048) : null }] : []);
  }
}

function isSigned(bytes: Buffer, signature: string, key: string): boolean {
  try {
    return verify('sha256', bytes, key, Buffer.from(signature, 'base64'));
  } catch {
    return false;
  }
}
