import { readFileSync } from 'node:fs';
import { aFreePort } from './free-port.js';
import { startProgram } from './program.js';

export interface Proxy {
  readonly url: string;
  stop(): Promise<void>;
}

/** Ports of Gatehouse and of the service behind the proxy. */
export interface Behind {
  readonly gatehouse: number;
  readonly service: number;
}

const DOCUMENT = new URL('../../docs/forward-auth.md', import.meta.url);

/** The configuration that the document shows, for the ports of a test. */
function configured(language: string, listen: string, port: number, { gatehouse, service }: Behind): string {
  const shown = new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(readFileSync(DOCUMENT, 'utf8'))?.[1] ?? '';
  const changes = [['127.0.0.1:3000', `127.0.0.1:${gatehouse}`], ['127.0.0.1:8080', `127.0.0.1:${service}`], [listen, listen.replace('80', `127.0.0.1:${port}`)]] as const;
  return changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`docs/forward-auth.md shows no ${from} for ${language}`);
    return text.replaceAll(from, to);
  }, shown);
}

/** nginx with the configuration of docs/forward-auth.md. */
export async function startNginx(behind: Behind): Promise<Proxy> {
  const port = await aFreePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((what) => `${what}_temp_path ${what};`).join(' ');
  const server = configured('nginx', 'listen 80;', port, behind);
  return start('nginx', port, `pid nginx.pid; error_log stderr; daemon off; events {} http { access_log off; ${temporary}\n${server}\n}`, (file, folder) => ['-p', folder, '-c', file]);
}

/** Caddy with the configuration of docs/forward-auth.md. */
export async function startCaddy(behind: Behind): Promise<Proxy> {
  const port = await aFreePort();
  const site = configured('caddyfile', ':80 {', port, behind).replace(`:127.0.0.1:${port} {`, `http://127.0.0.1:${port} {`);
  return start('caddy', port, `{\n\tadmin off\n\tauto_https off\n}\n${site}`, (file) => ['run', '--adapter', 'caddyfile', '--config', file]);
}

async function start(name: string, port: number, configuration: string, argumentsOf: (file: string, folder: string) => string[]): Promise<Proxy> {
  const program = await startProgram(name, port, configuration, argumentsOf);
  return { url: `http://127.0.0.1:${port}`, stop: () => program.stop('SIGTERM') };
}
