import { Logger } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Mailer } from '../../src/kernel/mail/mailer.js';
import { aMailServer, type MailServer } from '../support/mail-server.js';

const FROM = 'Gatehouse <no-reply@tokens.example>';
const MESSAGE = { to: 'grace@acme.example', subject: 'You are invited', text: 'Grüße!\n\nhttps://tokens.example/join#token=inv_secret\n' };
const SOON = [0, 0, 0];

let server: MailServer;
const mailers: Mailer[] = [];
const logged: string[] = [];
const aMailer = (url = server.url, pauses: readonly number[] = SOON): Mailer => {
  const mailer = new Mailer({ url, from: FROM }, pauses);
  mailers.push(mailer);
  return mailer;
};
beforeAll(async () => {
  server = await aMailServer();
  for (const level of ['warn', 'error'] as const) vi.spyOn(Logger.prototype, level).mockImplementation((line: unknown) => void logged.push(`${level}: ${String(line)}`));
});
afterEach(async () => {
  for (const mailer of mailers.splice(0)) await mailer.onApplicationShutdown();
  logged.length = 0;
});
afterAll(async () => {
  vi.restoreAllMocks();
  await server.close();
});

describe('a mail', () => {
  it('reaches the server whole: one recipient, plain text, and no machine is to answer', async () => {
    aMailer().send(MESSAGE);
    const mail = await server.mailTo(MESSAGE.to);
    expect([mail.from, mail.to]).toEqual(['no-reply@tokens.example', [MESSAGE.to]]);
    expect(mail.text.replaceAll('\r\n', '\n')).toBe(MESSAGE.text);
    for (const header of ['From: Gatehouse <no-reply@tokens.example>', 'To: grace@acme.example', 'Subject: You are invited', 'Auto-Submitted: auto-generated', 'Content-Type: text/plain; charset=utf-8']) {
      expect(mail.headers).toContain(header);
    }
  });

  it('never becomes another one by what stands in it', async () => {
    const before = server.received.length;
    const mailer = aMailer();
    mailer.send({ ...MESSAGE, to: 'split@one.example', subject: 'Acme\r\nBcc: evil@two.example' });
    const mail = await server.mailTo('split@one.example');
    expect([mail.to, /^bcc:/im.test(mail.headers)]).toEqual([['split@one.example'], false]);
    for (const to of ['a@one.example,evil@two.example', 'a@one.example\r\nRCPT TO:<evil@two.example>', '<evil@two.example>']) mailer.send({ ...MESSAGE, to });
    await mailer.settled();
    expect(server.received.slice(before).flatMap(({ to }) => to)).toEqual(['split@one.example']);
  });

  it('is sent with user and password where the server asks for them', async () => {
    const guarded = await aMailServer({ user: 'gate@house', password: 'p/w:?' });
    aMailer(guarded.url).send(MESSAGE);
    expect((await guarded.mailTo(MESSAGE.to)).to).toEqual([MESSAGE.to]);
    const wrong = aMailer(guarded.url.replace('p%2Fw', 'hunter2'));
    wrong.send(MESSAGE);
    await wrong.settled();
    expect([guarded.received.length, logged]).toEqual([1, ['error: the mail "You are invited" could not be sent: EAUTH 535']]);
    await guarded.close();
  });
});

describe('a server that does not take it', () => {
  it('is asked again, and again, and gets it once', async () => {
    const before = server.attempts;
    server.refuseNext(421, 450);
    const mailer = aMailer();
    mailer.send({ ...MESSAGE, to: 'patient@acme.example' });
    await server.mailTo('patient@acme.example');
    await mailer.settled();
    expect(server.attempts - before).toBe(3);
    expect(server.received.filter(({ to }) => to.includes('patient@acme.example'))).toHaveLength(1);
  });

  it('is let alone after four attempts, and at once when it will never take it', async () => {
    for (const codes of [[451, 451, 451, 451], [550]] as const) {
      const before = server.attempts;
      server.refuseNext(...codes);
      const mailer = aMailer();
      mailer.send({ ...MESSAGE, to: 'never@acme.example' });
      await mailer.settled();
      expect(server.attempts - before).toBe(codes.length);
      expect(server.received.filter(({ to }) => to.includes('never@acme.example'))).toEqual([]);
      expect(logged.filter((line) => line.startsWith('error'))).toHaveLength(1);
      logged.length = 0;
    }
  });

  it('is in the log, and neither what the mail says nor whom it is for, nor the password of the server', async () => {
    const closed = await aMailServer();
    await closed.close();
    const mailer = aMailer(closed.url.replace('//', '//user:hunter2@'));
    mailer.send(MESSAGE);
    await mailer.settled();
    expect(logged).toHaveLength(4);
    expect(logged.at(-1)).toBe('error: the mail "You are invited" could not be sent: ESOCKET');
    expect(logged.join()).not.toMatch(/inv_secret|grace|hunter2/);
  });

  it('never lets messages pile up without end', async () => {
    const closed = await aMailServer();
    await closed.close();
    const mailer = aMailer(closed.url, [60_000]);
    for (let count = 0; count < 1002; count += 1) mailer.send(MESSAGE);
    expect(logged).toEqual(Array(2).fill('error: the mail "You are invited" was dropped: 1000 others are still to be sent'));
  });
});

describe('the end of the process', () => {
  it('waits for what is under way, and tries once more without a pause what was refused before', async () => {
    server.refuseNext(451);
    const mailer = aMailer(server.url, [3_600_000]);
    mailer.send({ ...MESSAGE, to: 'late@acme.example' });
    mailer.send({ ...MESSAGE, to: 'later@acme.example' });
    await mailer.onApplicationShutdown();
    expect(server.received.filter(({ to }) => ['late@acme.example', 'later@acme.example'].includes(to[0] ?? ''))).toHaveLength(2);
  });
});

it('drops everything, silently, where no server is configured', async () => {
  const mailer = new Mailer(null);
  mailer.send(MESSAGE);
  await mailer.settled();
  expect([mailer.isConfigured, logged]).toEqual([false, []]);
});
