/*
 * What is known already is worked on at once: where requests come fast, a promise for each of them would cost more than
 * what they ask for.
 */

/** The work's result: at once where the value is there, else when it is. */
export function onceKnown<Value, Result>(value: Value | Promise<Value>, work: (value: Value) => Result | Promise<Result>): Result | Promise<Result> {
  return value instanceof Promise ? value.then(work) : work(value);
}

/** The same of several values, in their order. */
export function onceAllKnown<Value, Result>(values: readonly (Value | Promise<Value>)[], work: (values: readonly Value[]) => Result | Promise<Result>): Result | Promise<Result> {
  return areKnown(values) ? work(values) : Promise.all(values).then(work);
}

/** What the step makes of each input, never two at a time: at once where none of them takes time. */
export function oneByOne<Input, Result>(inputs: readonly Input[], step: (input: Input) => Result | Promise<Result>, done: Result[] = []): Result[] | Promise<Result[]> {
  while (done.length < inputs.length) {
    const result = step(inputs[done.length]);
    if (result instanceof Promise) {
      return result.then((late) => {
        done.push(late);
        return oneByOne(inputs, step, done);
      });
    }
    done.push(result);
  }
  return done;
}

function areKnown<Value>(values: readonly (Value | Promise<Value>)[]): values is readonly Value[] {
  return !values.some((value) => value instanceof Promise);
}
