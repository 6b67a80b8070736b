import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The isolation matrix takes minutes: begun last, it would keep one process at work long after the other has ended. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification): boolean => /\/isolation(-mutants)?\./.test(moduleId);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}
