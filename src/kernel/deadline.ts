import { setImmediate as nextTurn } from 'node:timers/promises';
import { Unavailable } from './failure.js';

/** The result of the work, or `Unavailable` where it is not there in time; the work itself goes on. */
export async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      // Where this process was too busy to look, the answer lies there already.
      void nextTurn().then(() => nextTurn()).then(() => reject(new Unavailable()));
    }, milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
