import { setTimeout as pause } from 'node:timers/promises';
import type { ImportOutcomes, ImportResult, ImportRow } from './import.dto.js';
import { reasonOf } from './reason.js';

/** A session by e-mail address and password, or a token as it is. */
export type Credential = { readonly token: string } | { readonly email: string; readonly password: string; readonly organization?: string };

const ATTEMPTS_MAX = 5;
const PAUSE_MS = 1_000;

/** What a Gatehouse answered that is not the outcome of an import. */
class Refused extends Error {}

interface Answer {
  /** 0 where there was none. */
  readonly status: number;
  readonly body: unknown;
  /** What to tell people of an answer that is none they hoped for. */
  readonly reason: string;
  readonly pauseMs: number;
}

/** Sends batches to a running Gatehouse with an administrator's credential. */
export class GatehouseClient {
  private bearer: string | null = null;

  constructor(
    private readonly origin: string,
    private readonly credential: Credential,
  ) {}

  /** Sent again where it was not answered, or not now: what is there already is not imported twice. Logs in again where the session has ended. */
  async import(tokens: readonly Partial<ImportRow>[], dryRun: boolean): Promise<readonly ImportResult[]> {
    for (let attempt = 1; ; attempt += 1) {
      this.bearer ??= await this.logIn();
      const { status, body, reason, pauseMs } = await this.post('/v1/tokens/import', { tokens, dry_run: dryRun }, this.bearer);
      if (status === 200 && body !== null) return (body as ImportOutcomes).results;
      if (attempt === ATTEMPTS_MAX) throw new Refused(reason);
      if (status === 401 && 'email' in this.credential) this.bearer = null;
      else if ([0, 429, 503].includes(status)) await pause(pauseMs);
      else throw new Refused(reason);
    }
  }

  private async logIn(): Promise<string> {
    if ('token' in this.credential) return this.credential.token;
    const { status, body, reason } = await this.post('/auth/login', this.credential, null);
    if (status !== 200 || body === null) throw new Refused(`no login: ${reason}`);
    return (body as { access_token: string }).access_token;
  }

  /** Follows no redirection: a credential goes to nobody else. */
  private async post(path: string, content: object, bearer: string | null): Promise<Answer> {
    const headers = { 'content-type': 'application/json', ...(bearer !== null && { authorization: `Bearer ${bearer}` }) };
    try {
      const answer = await fetch(new URL(path, this.origin), { method: 'POST', headers, body: JSON.stringify(content), redirect: 'error' });
      const body = parse(await answer.text());
      const reason = answer.ok ? `${this.origin} is no Gatehouse` : `${answer.status} ${body?.detail ?? answer.statusText}`;
      return { status: answer.status, body, reason, pauseMs: Number(answer.headers.get('retry-after')) * 1_000 || PAUSE_MS };
    } catch (error) {
      return { status: 0, body: null, reason: `${this.origin} does not answer: ${reasonOf(error instanceof Error ? (error.cause ?? error) : error)}`, pauseMs: PAUSE_MS };
    }
  }
}

/** Null for what is no JSON object. */
function parse(text: string): { readonly detail?: string } | null {
  try {
    const read: unknown = JSON.parse(text);
    return typeof read === 'object' ? read : null;
  } catch {
    return null;
  }
}
