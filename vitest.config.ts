import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // What only a server can show (several replicas, real concurrency) runs where there is one.
    // The isolation matrix asks a question of every operation and runs by itself: `npm run test:isolation`.
    include: process.env['ISOLATION_MATRIX']
      ? ['test/**/*.matrix-spec.ts']
      : ['src/**/*.spec.ts', 'test/**/*.e2e-spec.ts', ...(process.env['TEST_DATABASE_URL'] ? ['test/postgres/*.pg-spec.ts'] : [])],
    reporters: ['default', './test/support/plain-reporter.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/setup.ts'],
    pool: 'forks',
    // Files of one worker share one application; tests keep apart by organization.
    isolate: false,
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});
