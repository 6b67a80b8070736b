import { parseArgs } from 'node:util';
import { GatehouseClient, type Credential } from './gatehouse-client.js';
import { BODY_BYTES_MAX, ROWS_MAX, type ImportError } from './import.dto.js';
import { reasonOf } from './reason.js';
import { openSource } from './source-database.js';
import type { Source, SourceToken, Wishes } from './source.js';

const usage = ({ product, from }: Source): string => `Brings the API tokens of ${product} along: they go on working, at Gatehouse.

  npm run import:${product.toLowerCase()} -- --from <database> --to <url of Gatehouse> [options]

  --from          ${from}
  --to            for example http://127.0.0.1:3000
  --organization  slug of the organization to log in to, where you are in several
  --project       theirs=ours: the key of a project (namespace) that has another one here; can be repeated
  --environment   the same of an environment
  --permissions   what every token may do, separated by commas, in the place of what its type stands for
  --unlinked-as-all-projects
                  let tokens into every project that Unleash stores securely and links to none: it lets them so, be it
                  that they were made for all projects or for one that is gone
  --dry-run       take nothing, only say what would become of each token

  Set GATEHOUSE_EMAIL and GATEHOUSE_PASSWORD to log in with, or GATEHOUSE_TOKEN: what is imported with a token ends with it.
  Set PGPASSWORD rather than write a password into --from, where other users of the machine see it.

Ends with 0 where every token is there, with 1 where some were not taken, with 2 where it could not go on; run it again then.
`;

const OPTIONS = {
  'from': { type: 'string' },
  'to': { type: 'string' },
  'organization': { type: 'string' },
  'project': { type: 'string', multiple: true, default: [] as string[] },
  'environment': { type: 'string', multiple: true, default: [] as string[] },
  'permissions': { type: 'string' },
  'unlinked-as-all-projects': { type: 'boolean', default: false },
  'dry-run': { type: 'boolean', default: false },
} as const;

interface Orders {
  readonly from: string;
  readonly client: GatehouseClient;
  readonly wishes: Wishes;
  readonly dryRun: boolean;
}

interface Tally {
  imported: number;
  known: number;
  refused: number;
}

/** The exit status: 0 where all tokens are there, 1 where some are not, 2 where it could not go on. */
export async function importCommand(source: Source, words: readonly string[], environment: NodeJS.ProcessEnv, say: (text: string) => void, complain: (text: string) => void): Promise<0 | 1 | 2> {
  const tally: Tally = { imported: 0, known: 0, refused: 0 };
  try {
    const orders = readOrders(source, words, environment);
    const tokens = await readAll(source, orders);
    let done = 0;
    for (const batch of batchesOf(tokens)) {
      await bring(batch, orders, tally, say);
      done += batch.length;
      complain(`${done} of ${tokens.length}\n`);
    }
    say(`${orders.dryRun ? 'would be imported' : 'imported'}: ${tally.imported}, there already: ${tally.known}, not taken: ${tally.refused}\n`);
    return tally.refused === 0 ? 0 : 1;
  } catch (error) {
    if (tally.imported + tally.known + tally.refused > 0) say(`stopped; imported until then: ${tally.imported}, there already: ${tally.known}, not taken: ${tally.refused}\n`);
    complain(`${reasonOf(error)}\n`);
    return 2;
  }
}

function readOrders(source: Source, words: readonly string[], environment: NodeJS.ProcessEnv): Orders {
  const { values, positionals } = parseArgs({ args: [...words], allowPositionals: true, options: OPTIONS });
  const credential = readCredential(environment, values.organization);
  if (values.from === undefined || values.to === undefined || !credential || positionals.length > 0) throw new Error(usage(source));
  if (!/^https?:\/\//.test(values.to) || !URL.canParse(values.to)) throw new Error('--to must be a URL such as http://127.0.0.1:3000');
  return {
    from: values.from,
    client: new GatehouseClient(new URL(values.to).origin, credential),
    wishes: {
      permissions: values.permissions?.split(',').map((each) => each.trim()).filter((each) => each !== '') ?? null,
      projects: readPairs('--project', values.project),
      environments: readPairs('--environment', values.environment),
      unlinkedAsAllProjects: values['unlinked-as-all-projects'],
    },
    dryRun: values['dry-run'],
  };
}

function readCredential({ GATEHOUSE_TOKEN: token, GATEHOUSE_EMAIL: email, GATEHOUSE_PASSWORD: password }: NodeJS.ProcessEnv, organization: string | undefined): Credential | null {
  if (token) return { token };
  return email && password ? { email, password, ...(organization !== undefined && { organization }) } : null;
}

function readPairs(option: string, pairs: readonly string[]): ReadonlyMap<string, string> {
  return new Map(pairs.map((pair) => {
    const [theirs, ours, ...more] = pair.split('=');
    if (!theirs || !ours || more.length > 0) throw new Error(`${option} ${pair} is not of the form theirs=ours`);
    return [theirs, ours];
  }));
}

async function readAll(source: Source, { from, wishes }: Orders): Promise<readonly SourceToken[]> {
  const database = await openSource(from);
  try {
    return await source.read(database, wishes);
  } finally {
    await database.close();
  }
}

/** As many at once as a call takes, by their number and their length. */
function* batchesOf(tokens: readonly SourceToken[]): Generator<readonly SourceToken[]> {
  let [batch, bytes]: [SourceToken[], number] = [[], 0];
  for (const token of tokens) {
    const length = Buffer.byteLength(JSON.stringify(token));
    if (batch.length === ROWS_MAX || (batch.length > 0 && bytes + length > BODY_BYTES_MAX / 2)) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(token);
    bytes += length;
  }
  if (batch.length > 0) yield batch;
}

async function bring(tokens: readonly SourceToken[], { client, dryRun }: Orders, tally: Tally, say: (text: string) => void): Promise<void> {
  const refuse = (label: string, reason: string): void => {
    tally.refused += 1;
    say(`not taken: ${label}: ${reason}\n`);
  };
  for (const token of tokens) if ('left' in token) refuse(token.label, token.left);
  const sent = tokens.flatMap((token) => ('row' in token ? [token] : []));
  if (sent.length === 0) return;
  const results = await client.import(sent.map(({ row }) => row), dryRun);
  for (const { index, error } of results) {
    if (!error) tally.imported += 1;
    else if (error.reason === 'already-imported') tally.known += 1;
    else refuse(sent[index]?.label ?? `row ${index}`, toReason(error));
  }
}

function toReason({ detail, errors = [] }: ImportError): string {
  return errors.length === 0 ? detail : errors.map(({ path, message }) => `${path} ${message}`).join('; ');
}
