import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Webhook as Signer } from 'standardwebhooks';
import { seal, unseal } from '../access/sealed-box.js';
import type { Instant } from '../kernel/instant.js';
import { KeyRing } from '../kernel/key-ring.js';
import type { Webhook } from './webhook.entity.js';

const PURPOSE = 'webhook-secrets';
const SECRET_BYTES = 32;

export type SealedSecret = Pick<Webhook, 'sealedSecret' | 'sealingKeyId'>;

/** What webhooks sign with (Standard Webhooks, symmetric): stored sealed only, bound to the webhook by its id. */
@Injectable()
export class SigningSecrets {
  constructor(private readonly ring: KeyRing) {}

  draw(webhookId: string): { readonly secret: string; readonly sealed: SealedSecret } {
    const secret = `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
    return { secret, sealed: this.seal(webhookId, secret) };
  }

  /** Headers of an attempt at `now`; signed with the secret before too, until that ends. */
  sign(webhook: Webhook, messageId: string, body: string, now: Instant): Readonly<Record<string, string>> {
    const at = new Date(now.epochSeconds * 1000);
    const signatures = this.secretsOf(webhook, now).map((secret) => new Signer(secret).sign(messageId, at, body));
    return { 'webhook-id': messageId, 'webhook-timestamp': String(now.epochSeconds), 'webhook-signature': signatures.join(' ') };
  }

  /** The secret sealed with the current key where it is sealed with an earlier one, so that SECRET_KEY can drop that; else null. */
  resealed(webhook: Webhook): SealedSecret | null {
    const [current] = this.ring.derive(PURPOSE);
    return webhook.sealingKeyId === current.id ? null : this.seal(webhook.id, this.open(webhook.id, webhook.sealedSecret, webhook.sealingKeyId));
  }

  private secretsOf({ id, sealedSecret, sealingKeyId, previousSealedSecret, previousSealingKeyId, previousEndsAt }: Webhook, now: Instant): string[] {
    const secrets = [this.open(id, sealedSecret, sealingKeyId)];
    if (previousSealedSecret && previousSealingKeyId && previousEndsAt && now.isBefore(previousEndsAt)) {
      secrets.push(this.open(id, previousSealedSecret, previousSealingKeyId));
    }
    return secrets;
  }

  private seal(webhookId: string, secret: string): SealedSecret {
    const [current] = this.ring.derive(PURPOSE);
    return { sealedSecret: seal(current, Buffer.from(secret), webhookId), sealingKeyId: current.id };
  }

  private open(webhookId: string, sealed: Buffer, keyId: string): string {
    const key = this.ring.derive(PURPOSE).find(({ id }) => id === keyId);
    if (!key) throw new Error('SECRET_KEY lacks the key that the secret of a webhook is sealed with: put the earlier one behind the current one');
    return unseal(key, sealed, webhookId).toString();
  }
}
