import type { Instant } from '../kernel/instant.js';
import type { Message } from '../kernel/mail/mailer.js';

export function passwordResetMail({ to, link, expiresAt }: { to: { email: string; name: string }; link: string; expiresAt: Instant }): Message {
  return {
    to: to.email,
    subject: 'Choose a new password',
    text: `Hello ${to.name},

somebody asked for a new password for your account. To choose one, open

${link}

It works once, until ${expiresAt.toRfc3339()}. All your sessions end then.

If it was not you, you need not do anything: without this link nobody can change your password.
`,
  };
}
