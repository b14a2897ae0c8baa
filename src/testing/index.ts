export {
  type SnapshotterSuiteOptions,
  type SuiteFunctions,
  snapshotterSuite,
} from './snapshotter-suite.js';
