import { defineConfig } from 'vitest/config';

/** A file for the counts as JSON, beside what is printed: for .ci/run. */
const report = process.env['TEST_REPORT'];

// Worker threads start from files on disk, so the tests run what users run: the built package.
// The alias lets them import (and type-check against) the sources' paths.
export default defineConfig({
  resolve: { alias: [{ find: /^(\.{1,2}(?:\/\.\.)*)\/src\/(.*)\.js$/, replacement: '$1/dist/$2.js' }] },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/before-tests.ts'],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    maxWorkers: 2,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
});
