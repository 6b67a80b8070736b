import { setImmediate as nextTurn } from 'node:timers/promises';
import { Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { Client } from 'pg';
import { within } from '../deadline.js';
import { Unavailable } from '../failure.js';
import type { Maintenance } from '../maintenance/maintenance.js';
import type { Database } from './database.js';
import { toDatabaseFailure } from './database-failure.js';

/** Where nobody wakes us, we look; what another process commits is known here no later than after this and two answers of the database. */
const LOOK_EVERY_MS = 500;
/** No answer for so long: then another connection is tried, and waited for so long. */
const LISTENER_MS_MAX = 200;
const ANSWER_MS_MAX = 400;
/** What has not answered either of them is silent. */
const SILENT_AFTER_MS = LISTENER_MS_MAX + ANSWER_MS_MAX;
/** Long enough for a look that begins meanwhile to be answered. */
const REFUSED_AFTER_MS = 900;
/** What a request asks the database for begins a little later than itself; and longer than a look takes. */
const GIVEN_UP_AFTER_MS = 700;
const REFUSE_EVERY_MS = 50;
/** Whoever has not looked successfully for so long, though the database can be reached, must not rely on what it keeps. */
const SILENCE_MS_MAX = 2_000;
/** More at once than is worth telling apart. */
const SUBJECTS_MAX = 10_000;
/** Longer than anyone keeps an answer, and than any transaction of the service lasts. */
const KEPT_MINUTES = 10;
const CHANNEL = 'gatehouse_invalidations';

/** What changed: ids of tokens, sessions, persons, machine identities, projects, organizations; or more than can be told. */
export type Changed = readonly string[] | 'everything';

/** Makes a connection of one's own, not yet connected, on which one can be woken; null where no other process is. */
export type ConnectListener = (() => Client) | null;

const SQL = `
  SELECT now.snapshot::text AS snapshot, pg_snapshot_xmax(now.snapshot) < pg_snapshot_xmax($1::pg_snapshot) AS went_back, i.subject, i.number
  FROM (SELECT pg_current_snapshot() AS snapshot) now
  LEFT JOIN LATERAL (
    SELECT subject, number FROM invalidations
    WHERE xid >= pg_snapshot_xmin($1::pg_snapshot) AND NOT pg_visible_in_snapshot(xid, $1::pg_snapshot)
    LIMIT ${SUBJECTS_MAX + 1}
  ) i ON true`;

/** Whoever waits for the database. */
interface Waiting {
  readonly since: number;
  readonly refuse: (error: Error) => void;
}

interface Row {
  readonly snapshot: string;
  readonly went_back: boolean | null;
  readonly subject: string | null;
  /** Null in the one row that comes where nothing changed. */
  readonly number: string | null;
}

/**
 * Tells this process what any process has changed (the table `invalidations`). Each look asks for exactly what was
 * committed since the snapshot of the look before, in whatever order it was. A notification only makes us look at once,
 * so that a lost one costs half a second and nothing else. A change made through `Database` here is told before it is
 * acknowledged.
 */
export class Invalidations implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger('Invalidations');
  private readonly told: ((changed: Changed) => void)[] = [];
  private snapshot: string | null = null;
  private lookedAt = -Infinity;
  /** When the first look began that was not answered, nor any after it. */
  private silentSince = Infinity;
  private outage = false;
  private looking: Promise<boolean> = Promise.resolve(true);
  private next: Promise<boolean> | null = null;
  private isAsking = false;
  private readonly unanswered = new WeakSet<Client>();
  private listener: Client | null = null;
  private connecting = false;
  private timer: NodeJS.Timeout | null = null;
  private refusals: NodeJS.Timeout | undefined;
  /** Who has waited longest stands first. */
  private readonly waiting = new Set<Waiting>();

  constructor(
    private readonly database: Database,
    private readonly connectListener: ConnectListener,
    maintenance: Maintenance,
  ) {
    database.onInvalidation(() => this.settle());
    maintenance.add({ name: 'invalidations.purge', everySeconds: 60, inInstallation: (limit) => this.purge(limit) });
  }

  async onModuleInit(): Promise<void> {
    if (!this.connectListener) {
      await this.catchUp();
      return;
    }
    this.timer = setInterval(() => {
      void this.listen();
      void this.catchUp();
    }, LOOK_EVERY_MS).unref();
    this.refusals = setInterval(() => void this.refuseVain(), REFUSE_EVERY_MS).unref();
    await this.listen();
    await this.catchUp();
  }

  async onModuleDestroy(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    clearInterval(this.refusals);
    await Promise.all([this.looking, this.listener?.end().catch(() => undefined)]);
  }

  subscribe(tell: (changed: Changed) => void): void {
    this.told.push(tell);
  }

  /**
   * Whether what is kept may still be relied on: we know what others have changed, or the database can be reached by
   * nobody here. (Who cannot reach it cannot tell a dead database from a cut cable: what is kept must end by itself.)
   */
  get reliable(): boolean {
    return this.connectListener === null || this.outage || performance.now() - this.lookedAt < SILENCE_MS_MAX;
  }

  /** Resolves when all that was committed before the call has been told; false where that could not be found out. */
  catchUp(): Promise<boolean> {
    // One that is under way may have looked too early.
    this.next ??= this.looking.then(() => {
      this.next = null;
      return (this.looking = this.look());
    });
    return this.next;
  }

  /** The result of the work, however long it takes while the database answers our looks; `Unavailable` within a second where it does not. */
  whileReachable<T>(work: Promise<T>): Promise<T> {
    // Nobody looks where the database is in this process, nor once the service ends: what is under way then is finished.
    if (!this.timer) return work;
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { since: performance.now(), refuse: reject };
      this.waiting.add(waiting);
      const leave = (): boolean => this.waiting.delete(waiting);
      work.then((result) => leave() && resolve(result), (error: Error) => leave() && reject(error));
    });
  }

  /** Who has waited long enough is refused, and what they waited for is given up: nobody would know that it was done after all. */
  private async refuseVain(): Promise<void> {
    if (!this.isSilent) return;
    // Where this process was too busy to look, the answers lie there already.
    await nextTurn();
    await nextTurn();
    if (!this.isSilent) return;
    this.database.giveUp(this.silentSince, GIVEN_UP_AFTER_MS);
    const before = performance.now() - REFUSED_AFTER_MS;
    for (const waiting of this.waiting) {
      if (waiting.since > before) return;
      this.waiting.delete(waiting);
      waiting.refuse(new Unavailable());
    }
  }

  private get isSilent(): boolean {
    return this.timer !== null && performance.now() - this.silentSince >= SILENT_AFTER_MS;
  }

  private async settle(): Promise<void> {
    if (!(await this.catchUp())) this.tell('everything');
  }

  private async look(): Promise<boolean> {
    const began = performance.now();
    const since = this.snapshot;
    this.silentSince = Math.min(this.silentSince, began);
    try {
      this.take(await this.read(since), since);
      this.lookedAt = began;
      this.outage = false;
      return true;
    } catch (error) {
      const outage = error instanceof Unavailable || toDatabaseFailure(error) instanceof Unavailable;
      if (!this.outage) this.logger.warn(`what others changed cannot be read: ${error instanceof Error ? error.message : 'unknown error'}`);
      this.outage = outage;
      if (!outage) this.silentSince = Infinity;
      return false;
    }
  }

  private async read(since: string | null): Promise<Row[]> {
    const listener = this.listener;
    if (listener && !this.unanswered.has(listener)) {
      try {
        return await within(LISTENER_MS_MAX, this.ask(listener, since));
      } catch {
        // Asked elsewhere: whether the database is gone shows there.
      }
    }
    const rows = await this.readFromPool(since);
    // The database answers, only not the listener.
    if (listener && this.unanswered.has(listener)) this.abandon(listener);
    return rows;
  }

  private async ask(listener: Client, since: string | null): Promise<Row[]> {
    this.unanswered.add(listener);
    const { rows } = await this.hear(listener.query<Row>(SQL, [since]));
    this.unanswered.delete(listener);
    return rows;
  }

  private async readFromPool(since: string | null): Promise<Row[]> {
    if (!this.connectListener) return this.database.query<Row>(SQL, [since]);
    // One that hangs holds a connection already.
    if (this.isAsking) throw new Unavailable();
    this.isAsking = true;
    const answer = this.hear(this.database.query<Row>(SQL, [since])).finally(() => (this.isAsking = false));
    return within(ANSWER_MS_MAX, answer);
  }

  /** Whoever answers is not silent, be the answer too late to be of use. */
  private async hear<T>(answer: Promise<T>): Promise<T> {
    const heard = await answer;
    this.silentSince = Infinity;
    return heard;
  }

  private take(rows: readonly Row[], since: string | null): void {
    const [first] = rows;
    if (!first) throw new Error('the database has no snapshot');
    // Unless it was forgotten meanwhile, to begin anew.
    if (this.snapshot === since) this.snapshot = first.snapshot;
    const changed = rows.filter(({ number }) => number !== null).map(({ subject }) => subject);
    // A database whose transactions went back is another one, or an earlier state of it.
    if (since === null || first.went_back || changed.length > SUBJECTS_MAX || changed.includes(null)) this.tell('everything');
    else if (changed.length > 0) this.tell(changed.filter((subject) => subject !== null));
  }

  private tell(changed: Changed): void {
    for (const tell of this.told) tell(changed);
  }

  /** Never rejects; tried again at the next tick. */
  private async listen(): Promise<void> {
    if (!this.connectListener || this.listener || this.connecting) return;
    this.connecting = true;
    const client = this.connectListener();
    client.on('error', () => this.abandon(client));
    client.on('end', () => this.abandon(client));
    client.on('notification', () => void this.catchUp());
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
      // Closed meanwhile.
      if (!this.timer) return await client.end();
      this.listener = client;
      // It may be another server than before.
      this.snapshot = null;
      void this.catchUp();
    } catch (error) {
      this.logger.debug(`nobody wakes us: ${error instanceof Error ? error.message : 'unknown error'}`);
      client.end().catch(() => undefined);
    } finally {
      this.connecting = false;
    }
  }

  private abandon(client: Client): void {
    if (this.listener !== client) return;
    this.listener = null;
    client.end().catch(() => undefined);
    if (this.timer) void this.listen();
  }

  private async purge(limit: number): Promise<number> {
    const gone = await this.database.query<object>(
      `WITH old AS (SELECT xid, number FROM invalidations WHERE written_at < clock_timestamp() - make_interval(mins => ${KEPT_MINUTES}) ORDER BY xid, number LIMIT $1),
            gone AS (DELETE FROM invalidations i USING old WHERE i.xid = old.xid AND i.number = old.number RETURNING 1)
       SELECT * FROM gone`,
      [limit],
    );
    return gone.length;
  }
}
