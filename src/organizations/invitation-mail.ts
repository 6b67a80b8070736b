import type { Instant } from '../kernel/instant.js';
import type { Message } from '../kernel/mail/mailer.js';

/** What the invited person reads. */
export function invitationMail({ to, organization, link, expiresAt }: { to: string; organization: string; link: string; expiresAt: Instant }): Message {
  return {
    to,
    subject: `Invitation to ${organization}`,
    text: `Hello,

you are invited to become a member of ${organization}. To accept, open

${link}

It works once, until ${expiresAt.toRfc3339()}, and is for you alone.

If you do not know what this is about, you need not do anything.
`,
  };
}
