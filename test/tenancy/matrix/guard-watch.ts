import { AccessGuard } from '../../../src/access/access.guard.js';

/** Remembers which requests the guard turned away: it judges before anything of the request but its credential is read. */
export function watchGuard(): { refused: Set<string>; stop(): void } {
  const refused = new Set<string>();
  // eslint-disable-next-line @typescript-eslint/unbound-method
  const { admit, refusalAtSight } = AccessGuard.prototype;
  AccessGuard.prototype.admit = function (this: AccessGuard, rule, door, request, reply) {
    const noted = (error: unknown): never => {
      refused.add(request.id);
      throw error;
    };
    try {
      return admit.call(this, rule, door, request, reply)?.catch(noted);
    } catch (error) {
      return noted(error);
    }
  };
  AccessGuard.prototype.refusalAtSight = function (this: AccessGuard, request) {
    const refusal = refusalAtSight.call(this, request);
    if (refusal) refused.add(request.id);
    return refusal;
  };
  return { refused, stop: () => void Object.assign(AccessGuard.prototype, { admit, refusalAtSight }) };
}
