import type { Reporter, TestModule } from 'vitest/node';

declare module 'vitest' {
  interface TaskMeta {
    /** What the test has to say at the end of the run, in one line. */
    line?: string;
  }
}

/** Closes a run with plain lines that a person and a script can read: what tests have to say, and how many there were. */
export default class PlainReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    for (const test of tests) if (test.meta().line !== undefined) process.stdout.write(`${test.meta().line}\n`);
    const states = tests.map((test) => test.result().state);
    const count = (state: string): number => states.filter((each) => each === state).length;
    process.stdout.write(`${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped\n`);
  }
}
