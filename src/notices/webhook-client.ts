import dns from 'node:dns';
import { request as requestPlain } from 'node:http';
import { request as requestSecure } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { Injectable } from '@nestjs/common';
import { OutgoingAddresses } from '../kernel/outgoing-addresses.js';

const TIMEOUT_MS = 15_000;

/** Why nothing arrived, in words that tell nothing of the network behind the service. */
export type SendError = 'address-not-allowed' | 'certificate' | 'redirect' | 'status' | 'timeout' | 'unreachable';

/** What came of one attempt. */
export interface Outcome {
  /** Null where no answer came. */
  readonly status: number | null;
  /** Null for an answer of 2xx. */
  readonly error: SendError | null;
  readonly durationMs: number;
}

class AddressRefused extends Error {}

/**
 * Sends to addresses that others have named. Every address is judged as it is connected to, not when it was entered:
 * what a name resolves to may change. Follows no redirect and reads no body.
 */
@Injectable()
export class WebhookClient {
  private readonly timeoutMs = TIMEOUT_MS;

  constructor(private readonly addresses: OutgoingAddresses) {}

  /** What is wrong with the URL; null where it may be tried. Resolves no name. */
  faultOf(text: string): string | null {
    if (!URL.canParse(text)) return 'must be a URL';
    const url = new URL(text);
    const plain = url.protocol === 'http:';
    if (url.protocol !== 'https:' && !(plain && this.addresses.hasNamed)) return 'must be an https:// URL';
    if (url.username || url.password) return 'must carry no user name or password';
    if (url.hash) return 'must have no fragment';
    const host = hostOf(url);
    if (isIP(host) && !this.mayConnect(host, plain)) return 'must not lead to a private, local or reserved address';
    return null;
  }

  /** Rejects only where `stopping` fires; whatever else happens is an outcome. */
  async post(url: URL, headers: Readonly<Record<string, string>>, body: string, stopping: AbortSignal): Promise<Outcome> {
    const began = performance.now();
    const durationMs = (): number => Math.round(performance.now() - began);
    const end = new AbortController();
    const abort = (): void => end.abort();
    const timer = setTimeout(abort, this.timeoutMs);
    stopping.addEventListener('abort', abort, { once: true });
    try {
      const status = await this.statusOf(url, headers, body, end.signal);
      return { status, error: errorOf(status), durationMs: durationMs() };
    } catch (error) {
      if (stopping.aborted) throw error;
      return { status: null, error: end.signal.aborted ? 'timeout' : reasonOf(error), durationMs: durationMs() };
    } finally {
      clearTimeout(timer);
      stopping.removeEventListener('abort', abort);
    }
  }

  private statusOf(url: URL, headers: Readonly<Record<string, string>>, body: string, signal: AbortSignal): Promise<number> {
    const plain = url.protocol === 'http:';
    const host = hostOf(url);
    // A name is judged when it is resolved; an address is not resolved.
    if (isIP(host) && !this.mayConnect(host, plain)) return Promise.reject(new AddressRefused());
    return new Promise((done, fail) => {
      const options = { method: 'POST', agent: false, lookup: this.lookupFor(plain), signal, headers: { ...headers, 'content-length': Buffer.byteLength(body) } } as const;
      const request = (plain ? requestPlain : requestSecure)(url, options, (response) => {
        done(response.statusCode ?? 0);
        response.on('error', () => undefined).destroy();
      });
      request.on('error', fail).end(body);
    });
  }

  private lookupFor(plain: boolean): LookupFunction {
    return (name, options, answer) => {
      dns.lookup(name, { ...options, all: true }, (error, found) => {
        if (error) return answer(error, []);
        const open = found.filter(({ address }) => this.mayConnect(address, plain));
        const [first] = open;
        if (!first) return answer(new AddressRefused(), []);
        if (options.all) answer(null, open);
        else answer(null, first.address, first.family);
      });
    };
  }

  private mayConnect(address: string, plain: boolean): boolean {
    return plain ? this.addresses.isNamed(address) : this.addresses.allows(address);
  }
}

/** Without the brackets of an IPv6 address; `URL` has brought every spelling of an IPv4 address into one form. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

function errorOf(status: number): SendError | null {
  if (status >= 200 && status < 300) return null;
  return status >= 300 && status < 400 ? 'redirect' : 'status';
}

function reasonOf(error: unknown): SendError {
  if (error instanceof AddressRefused) return 'address-not-allowed';
  const { code = '' } = error as { code?: string };
  return /CERT|SIGNATURE|TLS|SSL|EPROTO/.test(code) ? 'certificate' : 'unreachable';
}
