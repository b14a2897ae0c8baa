/**
 * `overlayer/testing`: a test suite that every snapshotter must pass, for your own snapshotters and backends.
 *
 * @module overlayer/testing
 */

export {
  type SnapshotterSuiteOptions,
  type SuiteFunctions,
  snapshotterSuite,
} from './snapshotter-suite.js';
