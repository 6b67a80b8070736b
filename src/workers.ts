import cluster, { type Worker } from 'node:cluster';

const PAUSE_MS_MIN = 500;
const PAUSE_MS_MAX = 30_000;
/** Who lived for so long did not die of how it starts. */
const SETTLED_MS = 60_000;

export interface WorkersSettings {
  readonly count: number;
  /** Told once, when all of them listen. */
  readonly onListening: (port: number) => void;
  readonly say: (line: string) => void;
}

/**
 * So many processes of the service on one port; this one serves nothing itself. Until all listen, one that ends ends all
 * of them, as a single process would end; after that another takes the place of one that dies, ever later while they die
 * young. SIGTERM and SIGINT let all finish what is under way; then this process exits, with 0 where each of them did.
 */
export class Workers {
  private readonly startedAt = new Map<Worker, number>();
  private readonly listening = new Set<Worker>();
  private everListened = false;
  private stopping = false;
  private exitCode = 0;
  private earlyDeaths = 0;

  constructor(private readonly settings: WorkersSettings) {}

  run(): void {
    cluster.on('listening', (worker, { port }) => {
      this.listening.add(worker);
      if (this.everListened || this.listening.size < this.settings.count) return;
      this.everListened = true;
      this.settings.onListening(port);
    });
    cluster.on('exit', (worker, code, signal) => this.afterEnd(worker, code, signal));
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (!this.stopping) this.settings.say(`${signal}: all workers finish what is under way …`);
        this.stop();
      });
    }
    for (let started = 0; started < this.settings.count; started += 1) this.start();
  }

  private start(): void {
    if (!this.stopping) this.startedAt.set(cluster.fork(), performance.now());
  }

  private stop(): void {
    this.stopping = true;
    for (const { process: child } of this.startedAt.keys()) child.kill('SIGTERM');
    if (this.startedAt.size === 0) process.exit(this.exitCode);
  }

  private afterEnd(worker: Worker, code: number | null, signal: string | null): void {
    const lived = performance.now() - (this.startedAt.get(worker) ?? 0);
    this.startedAt.delete(worker);
    this.listening.delete(worker);
    if (this.stopping || !this.everListened) {
      if (code !== 0) this.exitCode = 1;
      this.stop();
      return;
    }
    if (lived >= SETTLED_MS) this.earlyDeaths = 0;
    const pause = Math.min(PAUSE_MS_MIN * 2 ** this.earlyDeaths, PAUSE_MS_MAX);
    this.earlyDeaths += 1;
    this.settings.say(`Worker ${worker.id} (process ${worker.process.pid}) ended by ${signal ?? `itself with ${code}`}; another starts in ${pause / 1000} s.`);
    // Keeps this process alive where it was the last.
    setTimeout(() => this.start(), pause);
  }
}
