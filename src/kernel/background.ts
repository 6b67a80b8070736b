/**
 * Whether what is done apart from requests (upkeep, deliveries, sealing, last uses) is done by itself; otherwise only
 * where somebody asks for it, such as a test that moves the clock.
 */
export class Background {
  constructor(readonly runsByItself: boolean) {}
}
