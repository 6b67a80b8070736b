import { AccessGuard } from '../../../src/access/access.guard.js';

/** Remembers which requests the guard turned away: it judges before anything of the request but its credential is read. */
export function watchGuard(): { refused: Set<string>; stop(): void } {
  const refused = new Set<string>();
  // eslint-disable-next-line @typescript-eslint/unbound-method
  const { canActivate } = AccessGuard.prototype;
  AccessGuard.prototype.canActivate = async function (this: AccessGuard, context) {
    try {
      return await canActivate.call(this, context);
    } catch (error) {
      refused.add(context.switchToHttp().getRequest<{ id: string }>().id);
      throw error;
    }
  };
  return { refused, stop: () => void (AccessGuard.prototype.canActivate = canActivate) };
}
