/**
 * `overlayer/testing`: the suite that every snapshotter has to pass, for snapshotters of your own.
 *
 * @module overlayer/testing
 */

export {
  type SnapshotterSuiteOptions,
  type SuiteFunctions,
  snapshotterSuite,
} from './snapshotter-suite.js';
