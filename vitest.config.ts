import { defineConfig } from 'vitest/config';
import LongestFirst from './test/support/longest-first.js';

function testFiles(): string[] {
  // What a pooler could break: `npm run test:pgbouncer`.
  if (process.env['TEST_PGBOUNCER']) {
    return ['test/pgbouncer/*.pooler-spec.ts', 'test/doors/every-door.e2e-spec.ts', 'test/tenancy/row-level-security.e2e-spec.ts', 'test/engine/verification.e2e-spec.ts', 'test/notices/outbox.e2e-spec.ts'];
  }
  // What is read from a replica: `npm run test:replica`.
  if (process.env['TEST_REPLICA']) return ['test/replica/*.replica-spec.ts'];
  // Behind nginx and Caddy: `npm run test:forward-auth`.
  if (process.env['TEST_FORWARD_AUTH']) return ['test/forward-auth/*.gate-spec.ts'];
  // What only a server can show (several replicas, real concurrency) runs where there is one.
  return ['src/**/*.spec.ts', 'test/**/*.e2e-spec.ts', ...(process.env['TEST_DATABASE_URL'] ? ['test/postgres/*.pg-spec.ts'] : [])];
}

export default defineConfig({
  test: {
    include: testFiles(),
    reporters: ['default', './test/support/plain-reporter.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/setup.ts'],
    sequence: { sequencer: LongestFirst },
    pool: 'forks',
    // Files of one worker share one application; tests keep apart by organization.
    isolate: false,
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});
