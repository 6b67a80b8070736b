import { Logger, type OnApplicationShutdown } from '@nestjs/common';

export interface MailSettings {
  /** `smtp:` or `smtps:`, with user and password where the server asks for them. */
  readonly url: string;
  /** `name@host`, or `Somebody <name@host>`. */
  readonly from: string;
}

export interface Message {
  readonly to: string;
  readonly subject: string;
  /** Plain text. */
  readonly text: string;
}

const UNDER_WAY_MAX = 1000;
const CONNECTIONS_MAX = 2;
const PAUSES_MS = [1_000, 10_000, 60_000];
const SHUTDOWN_MS = 5_000;
/** One address and nothing else, however a mail program would read it. */
const ADDRESS = /^[^\s@<>(),;:"\\]+@[^\s@<>(),;:"\\]+$/;
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/**
 * Sends mail behind the caller's back: `send` returns at once and never fails. A message that the server does not take is
 * tried again a few times, as long as the process lives; what came of it is in the log, without what it says and to whom.
 */
export class Mailer implements OnApplicationShutdown {
  private readonly logger = new Logger('Mailer');
  private transport: ReturnType<typeof transportTo> | null = null;
  private readonly underWay = new Set<Promise<void>>();
  /** Ends every pause between two attempts. */
  private readonly closing = new AbortController();

  constructor(
    private readonly settings: MailSettings | null,
    private readonly pausesMs: readonly number[] = PAUSES_MS,
  ) {}

  /** False where no mail can be sent at all: messages are then dropped. */
  get isConfigured(): boolean {
    return this.settings !== null;
  }

  send(message: Message): void {
    if (!this.settings) return;
    if (!ADDRESS.test(message.to)) {
      this.logger.error(`the mail "${message.subject}" was dropped: its recipient is no e-mail address`);
      return;
    }
    if (this.underWay.size >= UNDER_WAY_MAX) {
      this.logger.error(`the mail "${message.subject}" was dropped: ${UNDER_WAY_MAX} others are still to be sent`);
      return;
    }
    const delivery = this.deliver(this.settings, message).finally(() => this.underWay.delete(delivery));
    this.underWay.add(delivery);
  }

  /** When all that was to be sent until now was sent or given up. */
  async settled(): Promise<void> {
    await Promise.all(this.underWay);
  }

  /** The last attempts are made now, and within a few seconds. */
  async onApplicationShutdown(): Promise<void> {
    this.closing.abort();
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([this.settled(), new Promise<void>((resolve) => (timer = setTimeout(resolve, SHUTDOWN_MS)))]);
    clearTimeout(timer);
    if (this.underWay.size > 0) this.logger.error(`${this.underWay.size} mail(s) could not be sent before the end`);
    (await this.transport)?.close();
  }

  private async deliver(settings: MailSettings, message: Message): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      const last = this.closing.signal.aborted;
      try {
        await this.hand(settings, message);
        return;
      } catch (error) {
        const pause = last || isFinal(error) ? undefined : this.pausesMs[attempt];
        if (pause === undefined) {
          this.logger.error(`the mail "${message.subject}" could not be sent: ${reasonOf(error)}`);
          return;
        }
        this.logger.warn(`the mail "${message.subject}" could not be sent yet: ${reasonOf(error)}`);
        await this.pause(pause);
      }
    }
  }

  private async hand({ url, from }: MailSettings, { to, subject, text }: Message): Promise<void> {
    this.transport ??= transportTo(url);
    await (await this.transport).sendMail({
      from,
      to: { name: '', address: to },
      subject,
      text,
      // RFC 3834: no answering machine is to answer.
      headers: { 'Auto-Submitted': 'auto-generated' },
    });
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.closing;
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      if (signal.aborted) end();
      else signal.addEventListener('abort', end);
    });
  }
}

async function transportTo(url: string) {
  // Loaded only where it is used.
  const { createTransport } = await import('nodemailer');
  const { protocol, hostname, username, search } = new URL(url);
  const plain = protocol === 'smtp:' && search === '';
  const near = LOOPBACK.includes(hostname);
  return createTransport({
    url,
    pool: true,
    maxConnections: CONNECTIONS_MAX,
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    socketTimeout: 30_000,
    // A password never leaves this machine unencrypted; a server on it has seldom a certificate that anybody trusts.
    ...(plain && near && { ignoreTLS: true }),
    ...(plain && !near && username !== '' && { requireTLS: true }),
    // What a message says is text, never the name of a file or an address to fetch.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
}

/** RFC 5321 section 4.2.1: 5yz is said of what will not work later either. */
function isFinal(error: unknown): boolean {
  const { responseCode } = error as { responseCode?: unknown };
  return typeof responseCode === 'number' && responseCode >= 500;
}

/** Never the server's own words: they may repeat addresses and credentials. */
function reasonOf(error: unknown): string {
  const { code, responseCode } = error as { code?: unknown; responseCode?: unknown };
  const said = [code, responseCode].filter((part) => typeof part === 'string' || typeof part === 'number');
  return said.length > 0 ? said.join(' ') : 'unknown error';
}
