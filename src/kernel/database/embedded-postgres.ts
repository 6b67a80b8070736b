import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PGlite } from '@electric-sql/pglite';
import { dataDir as emptyDatabase } from '@electric-sql/pglite-prepopulatedfs';
import pg from 'pg';
import { lockDataDirectory, type DataDirectoryLock } from './data-directory-lock.js';

/**
 * A PostgreSQL inside this process that an unmodified `pg` talks to, with one session that its clients have in turn.
 *
 * Unlike on a server: no timeout ever fires, everybody may become superuser by RESET ROLE or RESET SESSION
 * AUTHORIZATION, and COPY FROM STDIN is refused.
 */
export class EmbeddedPostgres {
  /** Stands in for the module `pg`, for instance as TypeORM's `driver`: its clients and pools live in this database. */
  readonly pg: typeof pg;

  private constructor(
    private readonly session: Session,
    private readonly lock: DataDirectoryLock | null,
  ) {
    this.pg = { ...pg, ...connectorsTo(session), native: null };
  }

  /** Starts the database kept in this directory, alone: throws DataDirectoryInUse if another process has it. Null keeps it in memory. */
  static async open(dataDirectory: string | null): Promise<EmbeddedPostgres> {
    if (dataDirectory === null) {
      return new EmbeddedPostgres(await Session.start(await PGlite.create({ loadDataDir: await emptyDatabase() })), null);
    }
    const lock = await lockDataDirectory(dataDirectory);
    try {
      return new EmbeddedPostgres(await Session.start(await openFiles(resolve(dataDirectory))), lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Ends clients that are still connected, with 57P01, then the database, and frees the directory. */
  async close(): Promise<void> {
    try {
      await this.session.end();
    } finally {
      await this.lock?.release();
    }
  }
}

async function openFiles(dataDirectory: string): Promise<PGlite> {
  const files = join(dataDirectory, 'cluster');
  // A first start that was killed half-way leaves this mark, and files in which nobody has written anything yet.
  const unfinished = join(dataDirectory, 'cluster.unfinished');
  if (existsSync(unfinished)) rmSync(files, { recursive: true, force: true });
  if (existsSync(join(files, 'PG_VERSION'))) return PGlite.create(files);
  writeFileSync(unfinished, '');
  const database = await PGlite.create(files, { loadDataDir: await emptyDatabase() });
  rmSync(unfinished);
  return database;
}

function connectorsTo(session: Session): Pick<typeof pg, 'Client' | 'Pool'> {
  class Client extends pg.Client {
    constructor(config: string | pg.ClientConfig = {}) {
      const given = typeof config === 'string' ? { connectionString: config } : config;
      // User and encryption are said here because pg would otherwise look for them in the environment.
      super({ ...given, user: given.user ?? 'postgres', ssl: given.ssl ?? false, stream: () => new PgliteStream(session) });
    }
  }
  class Pool extends pg.Pool {
    constructor(config: pg.PoolConfig = {}) {
      // There is one session to have, and a client that left for idleness would stop listening for notifications.
      super({ ...config, max: 1, idleTimeoutMillis: config.idleTimeoutMillis ?? 0, Client });
    }
  }
  return { Client, Pool };
}

/** One client's end of the wire: what `pg` takes for a socket. */
class PgliteStream extends Duplex {
  #unread = Buffer.alloc(0);
  #connected = false;
  #work: Promise<void> = Promise.resolve();
  #leave: (() => void) | null = null;

  constructor(private readonly session: Session) {
    super({ allowHalfOpen: false });
    session.clients.add(this);
  }

  connect(): this {
    process.nextTick(() => this.emit('connect'));
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#unread = Buffer.concat([this.#unread, chunk]);
    this.#work = this.#answer().then(() => done(), done);
  }

  override _final(done: () => void): void {
    this.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.session.clients.delete(this);
    void this.#work.then(() => this.#leave?.());
    done(error);
  }

  async #answer(): Promise<void> {
    for (let packet = this.#nextPacket(); packet; packet = this.#nextPacket()) await this.#greet(packet);
    for (let cycle = this.#nextCycle(); cycle; cycle = this.#nextCycle()) this.#send(await this.session.execute(cycle));
  }

  #send(frames: Buffer[]): void {
    if (!this.destroyed) this.push(Buffer.concat(frames));
  }

  /** What a client says before it is connected: a length, a code and perhaps settings, without a type. */
  #nextPacket(): Buffer | null {
    if (this.#connected || this.destroyed || this.#unread.length < 8) return null;
    const length = this.#unread.readUInt32BE(0);
    return this.#unread.length < length ? null : this.#take(length);
  }

  async #greet(packet: Buffer): Promise<void> {
    const code = packet.readUInt32BE(4);
    if (code === encryptionRequest.ssl || code === encryptionRequest.gss) {
      this.push('N');
      return;
    }
    if (code === cancelRequest) {
      this.push(null);
      return;
    }
    this.#connected = true;
    this.#leave = await this.session.enter();
    if (this.destroyed) return;
    const welcome = await this.session.welcome(startupSettings(packet));
    this.#send(welcome);
    if (welcome.some((frame) => typeOf(frame) === 'E')) this.push(null);
  }

  /** All that belongs together up to a Query, Sync or Flush: PGlite misbehaves when an extended query comes in pieces. */
  #nextCycle(): Cycle | null {
    if (this.destroyed) return null;
    let start = 0;
    for (const frame of framesIn(this.#unread)) {
      const type = typeOf(frame);
      if (type === 'X') {
        this.push(null);
        return null;
      }
      const end = start + frame.length;
      if (type === 'Q') return { request: Buffer.concat([this.#take(end), copyFail]), ready: true };
      if (type === 'S' || type === 'H') {
        const before = this.#take(end).subarray(0, start);
        return { request: Buffer.concat([before, copyFail, frame]), ready: type === 'S' };
      }
      start = end;
    }
    return null;
  }

  #take(length: number): Buffer {
    const taken = this.#unread.subarray(0, length);
    this.#unread = this.#unread.subarray(length);
    return taken;
  }
}

interface Cycle {
  request: Buffer;
  /** Whether PostgreSQL ends its answer with ReadyForQuery. */
  ready: boolean;
}

/** The only session of a PGlite: whoever enters has it alone and finds no trace of those before. */
class Session {
  readonly clients = new Set<PgliteStream>();
  #turn: Promise<unknown> = Promise.resolve();
  #failure: Error | null = null;
  #greeting: Buffer[] = [];
  readonly #stackPointer: { value: number };
  readonly #stackBase: number;

  private constructor(private readonly database: PGlite) {
    this.#stackPointer = (database.Module as unknown as { ___stack_pointer: { value: number } }).___stack_pointer;
    this.#stackBase = this.#stackPointer.value;
  }

  static async start(database: PGlite): Promise<Session> {
    const session = new Session(database);
    session.#greeting = (await session.#run(startupPacket)).filter((frame) => typeOf(frame) !== 'Z');
    return session;
  }

  /** Waits until those before have left; the function returned leaves. */
  async enter(): Promise<() => void> {
    const before = this.#turn;
    let next: () => void = () => {};
    this.#turn = new Promise<void>((resolve) => (next = resolve));
    await before;
    return () => void this.#forget().then(next);
  }

  /** The answer to a client that connects with these settings; it ends with an error if one of them is refused. */
  async welcome(settings: Setting[]): Promise<Buffer[]> {
    const answer = await this.execute({ request: query(...settings.map(toStatement)), ready: true });
    const error = answer.find((frame) => typeOf(frame) === 'E');
    if (error) return [error];
    return [...this.#greeting, ...answer.filter((frame) => ['S', 'N', 'Z'].includes(typeOf(frame)))];
  }

  async execute({ request, ready }: Cycle): Promise<Buffer[]> {
    // As with a socket the answer comes on a later turn, so that queries in a row do not starve timers and requests.
    await nextTurn();
    if (this.#failure) throw this.#failure;
    const answer = await this.#run(request).catch((error: unknown) => this.#fail('57P02', 'crashed', error));
    const readiness = answer.findLast((frame) => typeOf(frame) === 'Z');
    if (ready && !readiness) return this.#fail('57P02', 'crashed');
    // PGlite says ReadyForQuery twice after an error (electric-sql/pglite#958), and pg would end the next query with the second.
    return [...answer.filter((frame) => typeOf(frame) !== 'Z'), ...(ready && readiness ? [readiness] : [])];
  }

  async end(): Promise<void> {
    const leave = this.enter();
    try {
      this.#fail('57P01', 'was closed');
    } catch (error) {
      for (const client of this.clients) client.destroy(error as Error);
    }
    await leave;
    await this.database.close();
  }

  async #run(request: Buffer): Promise<Buffer[]> {
    const answer: Buffer[] = [];
    try {
      // Not execProtocolRaw: it also parses every answer and keeps the result for ever.
      await this.database.execProtocolRawStream(request, { onRawData: (bytes) => answer.push(Buffer.from(bytes)) });
    } finally {
      // PGlite leaves the C stack of a failed statement behind; after some 2,000 errors every statement would fail with 54001.
      this.#stackPointer.value = this.#stackBase;
    }
    return [...framesIn(Buffer.concat(answer))];
  }

  async #forget(): Promise<void> {
    if (this.#failure) return;
    try {
      const answer = await this.execute({ request: forgetEverything, ready: true });
      if (answer.some((frame) => typeOf(frame) === 'E')) this.#fail('57P02', 'kept the state of a client');
    } catch {
      // The failure is remembered and told to everybody who comes.
    }
  }

  #fail(code: string, what: string, cause?: unknown): never {
    this.#failure ??= Object.assign(new Error(`The embedded database ${what}`, { cause }), { code });
    throw this.#failure;
  }
}

interface Setting {
  name: string;
  value: string;
}

/** The settings a client asks for when it connects, in the order in which PostgreSQL applies them. */
function startupSettings(packet: Buffer): Setting[] {
  const words = packet.subarray(8).toString().split('\0');
  const parameters = new Map<string, string>();
  for (let index = 0; words[index]; index += 2) parameters.set(words[index], words[index + 1]);
  const { user = '', database: _database, options = '', ...others } = Object.fromEntries(parameters);
  return [
    { name: 'session_authorization', value: user },
    ...switchesIn(options),
    ...Object.entries(others).map(([name, value]) => ({ name, value })),
  ].filter(({ name }) => !deadlyTimeouts.has(name));
}

/** Reads `-c name=value`, `-cname=value` and `--name=value`; a backslash keeps the next character, also a space. */
function switchesIn(options: string): Setting[] {
  const words = [...options.matchAll(/(?:\\.|\S)+/gs)].map(([word]) => word.replace(/\\(.)/gs, '$1'));
  // Anything else becomes the name of a setting that does not exist, so that PostgreSQL refuses it.
  return words
    .filter((word) => word !== '-c')
    .map((word) => word.replace(/^(-c|--)/, '').split('='))
    .map(([name, ...value]) => ({ name: name.replaceAll('-', '_'), value: value.join('=') }));
}

function toStatement({ name, value }: Setting): string {
  return `SELECT pg_catalog.set_config(${pg.escapeLiteral(name)}, ${pg.escapeLiteral(value)}, false)`;
}

// When one of these fires, PostgreSQL ends the session, which in PGlite is an endless loop.
const deadlyTimeouts = new Set(['idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout']);

// https://www.postgresql.org/docs/current/protocol-message-formats.html
const encryptionRequest = { ssl: 80877103, gss: 80877104 };
const cancelRequest = 80877102;

function message(type: string, ...strings: string[]): Buffer {
  const body = Buffer.from(strings.map((string) => `${string}\0`).join(''));
  const header = Buffer.from(`${type}1234`);
  header.writeUInt32BE(4 + body.length, 1);
  return Buffer.concat([header, body]);
}

function query(...statements: string[]): Buffer {
  return message('Q', statements.join('; '));
}

// PGlite dies of a COPY FROM STDIN whose data do not follow at once. Where there is no COPY, PostgreSQL ignores this.
const copyFail = message('f', 'the embedded database takes no COPY FROM STDIN');

// Sync because after a failed extended query anything else would be ignored. The session user and the role are
// set by name because PGlite, which nobody ever logs in to, has no default for DISCARD ALL to go back to.
const forgetEverything = Buffer.concat([
  message('S'),
  query('ROLLBACK', 'SET SESSION AUTHORIZATION postgres', 'RESET ROLE'),
  query('DISCARD ALL'),
]);

// Length 41, protocol 3.0, then names and values.
const startupPacket = Buffer.from('\0\0\0)\0\x03\0\0user\0postgres\0database\0postgres\0\0');

function* framesIn(bytes: Buffer): Generator<Buffer> {
  for (let start = 0, end = 0; bytes.length - start >= 5; start = end) {
    end = start + 1 + bytes.readUInt32BE(start + 1);
    if (end > bytes.length) return;
    yield bytes.subarray(start, end);
  }
}

function typeOf(frame: Buffer): string {
  return String.fromCharCode(frame[0]);
}
