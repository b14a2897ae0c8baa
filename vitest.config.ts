import { defineConfig } from 'vitest/config';

// Worker threads start from files on disk, so the tests run what users run: the built package.
// The alias lets them import (and type-check against) the sources' paths.
export default defineConfig({
  resolve: { alias: [{ find: /^(\.{1,2}(?:\/\.\.)*)\/src\/(.*)\.js$/, replacement: '$1/dist/$2.js' }] },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/install-peers.ts'],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    maxWorkers: 2,
  },
});
