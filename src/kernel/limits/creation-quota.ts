import type { Quota } from './rate-limits.js';

/** How much one organization may create in any minute, of all that there is. */
export class CreationQuota implements Quota {
  readonly name = 'creations';
  readonly seconds = 60;

  constructor(readonly most: number) {}
}
