const DAY_SECONDS = 24 * 3600;

/** How long the installation keeps what has ended. */
export class Retention {
  constructor(private readonly tokenDays: number) {}

  /** Seconds for which a token stays listed after its end. */
  get tokenSeconds(): number {
    return this.tokenDays * DAY_SECONDS;
  }
}
