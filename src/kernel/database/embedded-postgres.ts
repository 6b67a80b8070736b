import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PGlite } from '@electric-sql/pglite';
import { dataDir as emptyDatabase } from '@electric-sql/pglite-prepopulatedfs';
import pg from 'pg';
import { lockDataDirectory, type DataDirectoryLock } from './data-directory-lock.js';

/**
 * PostgreSQL inside this process, to which an unmodified `pg` talks. It has one session, which clients get in turn.
 *
 * Unlike on a server, no timeout ever fires, COPY FROM STDIN is refused, and whoever may send any SQL may also become
 * superuser (RESET ROLE, RESET SESSION AUTHORIZATION).
 */
export class EmbeddedPostgres {
  /** Stands in for the module `pg`, for instance as TypeORM's `driver`; its clients and pools live in this database. */
  readonly pg: typeof pg;

  private constructor(
    private readonly session: Session,
    private readonly lock: DataDirectoryLock | null,
  ) {
    this.pg = { ...pg, ...connectorsTo(session), native: null };
  }

  /** Starts the database kept in the directory, or (null) in memory; throws DataDirectoryInUse if another process has it. */
  static async open(dataDirectory: string | null): Promise<EmbeddedPostgres> {
    if (dataDirectory === null) return new EmbeddedPostgres(await Session.start(await PGlite.create(await newDatabase())), null);
    const lock = await lockDataDirectory(dataDirectory);
    try {
      return new EmbeddedPostgres(await Session.start(await openFiles(resolve(dataDirectory))), lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Ends clients that are still connected (57P01), then the database, and frees the directory; harmless when repeated. */
  async close(): Promise<void> {
    try {
      await this.session.end();
    } finally {
      await this.lock?.release();
    }
  }
}

async function newDatabase(): Promise<{ loadDataDir: Blob }> {
  return { loadDataDir: await emptyDatabase() };
}

async function openFiles(dataDirectory: string): Promise<PGlite> {
  const files = join(dataDirectory, 'cluster');
  // Marks a first start that never finished: there may be some files, but nobody has written anything into them.
  const unfinished = join(dataDirectory, 'cluster.unfinished');
  if (existsSync(unfinished)) await rm(files, { recursive: true, force: true });
  if (existsSync(join(files, 'PG_VERSION'))) return PGlite.create(files);
  await writeFile(unfinished, '');
  const database = await PGlite.create(files, await newDatabase());
  await rm(unfinished);
  return database;
}

function connectorsTo(session: Session): Pick<typeof pg, 'Client' | 'Pool'> {
  class Client extends pg.Client {
    constructor(config: string | pg.ClientConfig = {}) {
      const given = typeof config === 'string' ? { connectionString: config } : config;
      // Said here, or pg would take the user and the encryption from PGUSER, USER and PGSSLMODE.
      super({ ...given, user: given.user ?? 'postgres', ssl: given.ssl ?? false, stream: () => new PgliteStream(session) });
    }
  }
  class Pool extends pg.Pool {
    constructor(config: pg.PoolConfig = {}) {
      // A second client would only wait for the first, and a first that left when idle would stop listening.
      super({ ...config, max: 1, idleTimeoutMillis: config.idleTimeoutMillis ?? 0, Client });
    }
  }
  return { Client, Pool };
}

/** What a client of `pg` takes for its socket. */
class PgliteStream extends Duplex {
  #unread = Buffer.alloc(0);
  #started = false;
  #work: Promise<void> = Promise.resolve();
  #leave: (() => void) | null = null;

  constructor(private readonly session: Session) {
    super({ allowHalfOpen: false });
  }

  connect(): void {
    this.session.clients.add(this);
    process.nextTick(() => this.emit('connect'));
  }

  setNoDelay(): void {}

  setKeepAlive(): void {}

  ref(): void {}

  unref(): void {}

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#unread = Buffer.concat([this.#unread, chunk]);
    this.#work = this.#answer().then(() => done(), done);
  }

  override _final(done: () => void): void {
    this.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.session.clients.delete(this);
    void this.#work.then(() => this.#leave?.());
    done(error);
  }

  async #answer(): Promise<void> {
    for (let packet = this.#nextPacket(); packet; packet = this.#nextPacket()) await this.#greet(packet);
    for (let cycle = this.#nextCycle(); cycle; cycle = this.#nextCycle()) this.#send(await this.session.execute(cycle));
  }

  #send(messages: Buffer[]): void {
    if (!this.destroyed) this.push(Buffer.concat(messages));
  }

  /** What a client says before it is connected has a length and a code but no type. */
  #nextPacket(): Buffer | null {
    if (this.#started || this.destroyed || this.#unread.length < 8) return null;
    const length = this.#unread.readUInt32BE(0);
    return this.#unread.length < length ? null : this.#take(length);
  }

  async #greet(packet: Buffer): Promise<void> {
    const code = packet.readUInt32BE(4);
    if (encryptionRequests.includes(code)) {
      this.push('N');
    } else if (code === cancelRequest) {
      this.push(null);
    } else {
      this.#started = true;
      this.#leave = await this.session.enter();
      if (this.destroyed) return;
      const welcome = await this.session.welcome(startupSettings(packet));
      this.#send(welcome);
      if (welcome.some(isError)) this.push(null);
    }
  }

  /** All up to a Query, Sync or Flush, which belongs together: PGlite misbehaves when it gets an extended query in pieces. */
  #nextCycle(): Cycle | null {
    if (this.destroyed) return null;
    let start = 0;
    for (const message of messagesIn(this.#unread)) {
      const end = start + message.length;
      switch (typeOf(message)) {
        case 'Q':
          return { request: Buffer.concat([this.#take(end), copyFail]), ready: true };
        case 'S':
          return { request: Buffer.concat([this.#take(end).subarray(0, start), copyFail, message]), ready: true };
        case 'H':
          return { request: Buffer.concat([this.#take(end).subarray(0, start), copyFail, message]), ready: false };
        case 'X':
          this.push(null);
          return null;
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
  #turn: Promise<void> = Promise.resolve();
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
    session.#greeting = (await session.#run(startupPacket)).filter((message) => !isReady(message));
    return session;
  }

  /** Waits until everybody before has left; the function it returns leaves. */
  async enter(): Promise<() => void> {
    const before = this.#turn;
    let next = () => {};
    this.#turn = new Promise((resolve) => (next = resolve));
    await before;
    return () => void this.#forget().then(next);
  }

  /** The answer to a client that connects with these settings: an error alone if one of them is refused. */
  async welcome(settings: Setting[]): Promise<Buffer[]> {
    const answer = await this.execute({ request: query(...settings.map(toStatement)), ready: true });
    const error = answer.find(isError);
    return error ? [error] : [...this.#greeting, ...answer.filter((message) => 'SNZ'.includes(typeOf(message)))];
  }

  async execute({ request, ready }: Cycle): Promise<Buffer[]> {
    // Like a socket's, an answer comes on a later turn, so that queries in a row do not starve timers and requests.
    await nextTurn();
    if (this.#failure) throw this.#failure;
    const answer = await this.#run(request).catch((error: unknown) => this.#fail(crashShutdown, 'crashed', error));
    // PGlite says ReadyForQuery twice after an error (electric-sql/pglite#958): the second would end pg's next query without its rows.
    const readiness = answer.findLast(isReady);
    if (ready && !readiness) return this.#fail(crashShutdown, 'crashed');
    return [...answer.filter((message) => !isReady(message)), ...(ready && readiness ? [readiness] : [])];
  }

  async end(): Promise<void> {
    // A pool says that it has ended while its client is still taking leave.
    await nextTurn();
    this.#failure ??= failure(adminShutdown, 'was closed');
    for (const client of this.clients) client.destroy(this.#failure);
    const leave = await this.enter();
    if (!this.database.closed) await this.database.close();
    leave();
  }

  async #run(request: Buffer): Promise<Buffer[]> {
    const answer: Buffer[] = [];
    try {
      // Not execProtocolRaw, which also parses each answer and keeps the result for ever.
      await this.database.execProtocolRawStream(request, { onRawData: (bytes) => answer.push(Buffer.from(bytes)) });
    } finally {
      // PGlite leaves the C stack of a failed statement behind: after some 2,000 errors nothing but 54001 would be answered.
      this.#stackPointer.value = this.#stackBase;
    }
    return [...messagesIn(Buffer.concat(answer))];
  }

  /** Never rejects: if a trace might remain, the database fails for everybody who comes. */
  async #forget(): Promise<void> {
    if (this.#failure) return;
    const answer = await this.execute({ request: forgetEverything, ready: true }).catch(() => []);
    if (answer.some(isError)) this.#failure ??= failure(crashShutdown, 'could not forget its last client');
  }

  #fail(code: string, what: string, cause?: unknown): never {
    throw (this.#failure ??= failure(code, what, cause));
  }
}

const adminShutdown = '57P01';
const crashShutdown = '57P02';

function failure(code: string, what: string, cause?: unknown): Error {
  return Object.assign(new Error(`The embedded database ${what}`, { cause }), { code });
}

interface Setting {
  name: string;
  value: string;
}

// When one of these fires, PostgreSQL ends the session, and in PGlite that is an endless loop.
const deadlyTimeouts = ['idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout'];

/** The settings with which a client connects, in the order in which PostgreSQL applies them. */
function startupSettings(packet: Buffer): Setting[] {
  const words = packet.subarray(8).toString().split('\0');
  const settings: Setting[] = [];
  for (let index = 0; words[index]; index += 2) settings.push({ name: words[index], value: words[index + 1] });
  const valueOf = (name: string): string => settings.find((setting) => setting.name === name)?.value ?? '';
  return [
    // By name, which also ends any role: PGlite, where nobody logs in, has no user to which DISCARD ALL could go back.
    { name: 'session_authorization', value: valueOf('user') },
    ...switchesIn(valueOf('options')),
    ...settings.filter(({ name }) => !['user', 'database', 'options'].includes(name)),
  ].filter(({ name }) => !deadlyTimeouts.includes(name.toLowerCase()));
}

/** Reads `-c name=value`, `-cname=value` and `--name=value`, where a backslash keeps what follows, such as a space. */
function switchesIn(options: string): Setting[] {
  const words = [...options.matchAll(/(?:\\.|\S)+/gs)].map(([word]) => word.replace(/\\(.)/gs, '$1'));
  // Whatever else there is becomes the name of a setting, and PostgreSQL refuses to connect because there is no such setting.
  const assignments = words.filter((word) => word !== '-c').map((word) => word.replace(/^(-c|--)/, '').split('='));
  return assignments.map(([name, ...value]) => ({ name: name.replaceAll('-', '_'), value: value.join('=') }));
}

function toStatement({ name, value }: Setting): string {
  return `SELECT pg_catalog.set_config(${pg.escapeLiteral(name)}, ${pg.escapeLiteral(value)}, false)`;
}

// https://www.postgresql.org/docs/current/protocol-message-formats.html
const encryptionRequests = [80877103, 80877104];
const cancelRequest = 80877102;

// Length 41, protocol 3.0, then names and values.
const startupPacket = Buffer.from('\0\0\0)\0\x03\0\0user\0postgres\0database\0postgres\0\0');

// PGlite dies of a COPY FROM STDIN unless this comes with it; where there is no COPY, PostgreSQL ignores it.
const copyFail = message('f', 'the embedded database takes no COPY FROM STDIN\0');

// Sync, because after a failed extended query anything else is ignored.
const forgetEverything = Buffer.concat([message('S', ''), query('ROLLBACK'), query('DISCARD ALL')]);

function query(...statements: string[]): Buffer {
  return message('Q', `${statements.join('; ')}\0`);
}

function message(type: string, body: string): Buffer {
  const bytes = Buffer.from(`${type}size${body}`);
  bytes.writeUInt32BE(bytes.length - 1, 1);
  return bytes;
}

function* messagesIn(bytes: Buffer): Generator<Buffer> {
  for (let start = 0, end = 0; bytes.length - start >= 5; start = end) {
    end = start + 1 + bytes.readUInt32BE(start + 1);
    if (end > bytes.length) return;
    yield bytes.subarray(start, end);
  }
}

function typeOf(bytes: Buffer): string {
  return String.fromCharCode(bytes[0]);
}

function isError(bytes: Buffer): boolean {
  return typeOf(bytes) === 'E';
}

function isReady(bytes: Buffer): boolean {
  return typeOf(bytes) === 'Z';
}
