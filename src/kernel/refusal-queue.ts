import { Injectable } from '@nestjs/common';

/** More would cost more memory than their waiting spares others time. */
const WAITING_MAX = 5_000;

/**
 * Answers that say no, as to garbage, wait for each other: one is given in each turn of the event loop, in the order in which
 * they were asked for. However many are asked for, an answer that says yes waits behind one of them and not behind all; and
 * whoever waits for a no cannot ask for the next. Nothing is lost by it: where nobody else asks, turns are short.
 */
@Injectable()
export class RefusalQueue {
  private waiting: (() => void)[] = [];
  private next = 0;
  /** The no of this turn has been given. */
  private isTaken = false;

  /** Resolves in the turn in which to say no; null where that is this one. */
  turn(): Promise<void> | null {
    if (!this.isTaken) {
      this.isTaken = true;
      setImmediate(this.begin);
      return null;
    }
    if (this.waiting.length - this.next >= WAITING_MAX) return null;
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** This answer in its turn. */
  say<Answer>(no: Answer): Answer | Promise<Answer> {
    const turn = this.turn();
    return turn ? turn.then(() => no) : no;
  }

  private readonly begin = (): void => {
    const resolve = this.waiting[this.next];
    if (!resolve) {
      this.isTaken = false;
      return;
    }
    this.next += 1;
    if (this.next === this.waiting.length || this.next > WAITING_MAX) {
      this.waiting = this.waiting.slice(this.next);
      this.next = 0;
    }
    setImmediate(this.begin);
    resolve();
  };
}
