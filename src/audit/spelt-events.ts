import { Injectable } from '@nestjs/common';

/** More than one process writes between two rounds of sealing. */
const NOTED_MAX = 10_000;

/**
 * The canonical JSON of events that this process has spelt since the round of sealing before the last, whether they were
 * committed or not: the sealer need not read and spell what was written just now. What is not here, it reads.
 */
@Injectable()
export class SpeltEvents {
  private latest = new Map<string, Buffer>();
  private earlier: ReadonlyMap<string, Buffer> = new Map();

  note(id: string, canonical: string): void {
    // As bytes: text would be moved about by the garbage collector until it is sealed.
    if (this.latest.size < NOTED_MAX) this.latest.set(id, Buffer.from(canonical));
  }

  of(id: string): Buffer | undefined {
    return this.latest.get(id) ?? this.earlier.get(id);
  }

  /** Another round of sealing begins: what was there before the last one is forgotten. */
  age(): void {
    this.earlier = this.latest;
    this.latest = new Map();
  }
}
