import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';

export interface ReceivedMail {
  /** Of the envelope: whom it goes to whatever the headers say. */
  readonly from: string;
  readonly to: readonly string[];
  readonly headers: string;
  readonly text: string;
}

export interface MailServer {
  readonly url: string;
  /** All that was taken, in its order. */
  readonly received: readonly ReceivedMail[];
  /** How often somebody came with a message. */
  readonly attempts: number;
  /** The next attempts are answered so, one after the other; later ones are taken. */
  refuseNext(...responseCodes: readonly number[]): void;
  /** The next mail to this address that was not asked for before; waits until it is there. */
  mailTo(address: string): Promise<ReceivedMail>;
  close(): Promise<void>;
}

/** A real SMTP server on a free port of the loopback interface. */
export async function aMailServer(login?: { user: string; password: string }): Promise<MailServer> {
  const received: ReceivedMail[] = [];
  const taken = new Set<ReceivedMail>();
  const refusals: number[] = [];
  const waiting = new Set<() => void>();
  let attempts = 0;
  const server = new SMTPServer({
    disabledCommands: login ? ['STARTTLS'] : ['STARTTLS', 'AUTH'],
    allowInsecureAuth: true,
    logger: false,
    // Whoever keeps a connection open does not keep the server from closing.
    closeTimeout: 1,
    onAuth({ username, password }, _, done) {
      if (username === login?.user && password === login?.password) done(null, { user: username });
      else done(Object.assign(new Error(`no ${username ?? ''} with ${password ?? ''}`), { responseCode: 535 }));
    },
    onData(stream, session, done) {
      attempts += 1;
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const responseCode = refusals.shift();
        if (responseCode !== undefined) return done(Object.assign(new Error('not now'), { responseCode }));
        const { mailFrom, rcptTo } = session.envelope;
        received.push({ from: mailFrom ? mailFrom.address : '', to: rcptTo.map(({ address }) => address), ...read(Buffer.concat(chunks).toString('utf8')) });
        done();
        for (const look of [...waiting]) look();
      });
    },
  });
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const { port } = listening.address() as AddressInfo;
  return {
    url: `smtp://${login ? `${encodeURIComponent(login.user)}:${encodeURIComponent(login.password)}@` : ''}127.0.0.1:${port}`,
    received,
    get attempts() {
      return attempts;
    },
    refuseNext: (...codes) => void refusals.push(...codes),
    mailTo: (address) =>
      new Promise((resolve) => {
        const look = (): void => {
          const mail = received.find((each) => each.to.includes(address) && !taken.has(each));
          if (!mail) return;
          waiting.delete(look);
          taken.add(mail);
          resolve(mail);
        };
        waiting.add(look);
        look();
      }),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** Headers unfolded, and the one part of plain text that we send. */
function read(raw: string): { headers: string; text: string } {
  const end = raw.indexOf('\r\n\r\n');
  const headers = raw.slice(0, end).replace(/\r\n[ \t]+/g, ' ');
  const body = raw.slice(end + 4);
  const text = /^content-transfer-encoding: quoted-printable$/im.test(headers)
    ? Buffer.from(body.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/g, (_, code: string) => String.fromCharCode(parseInt(code, 16))), 'latin1').toString('utf8')
    : /^content-transfer-encoding: base64$/im.test(headers) ? Buffer.from(body, 'base64').toString('utf8') : body;
  return { headers, text };
}
