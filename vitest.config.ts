import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // End-to-end tests run bin/imgctl.js, which runs what is built
    globalSetup: ['test/support/build-dist.ts'],
    // Processes, not threads: tests change directories, send signals, and run daemons
    pool: 'forks',
    testTimeout: 30_000,
    // A loaded machine takes its time: what never becomes so fails all the same
    expect: { poll: { timeout: 15_000 } },
    hookTimeout: 60_000,
  },
});
