/** Whether upkeep and deliveries run by themselves; otherwise only where somebody asks for them, such as a test that moves the clock. */
export class Background {
  constructor(readonly runsByItself: boolean) {}
}
