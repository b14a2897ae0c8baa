import { flag, type ValuesOf } from './declare.js';
import { JSON_OUTPUT, ROOT, STORE_FLAGS } from './store-flags.js';
import { collect, parseLabels } from './values.js';

/** Of `snapshots prepare`, `view` and `commit`. */
export const LABEL_FLAGS = [
  ...STORE_FLAGS,
  flag('--label <LABEL=VALUE>', 'set a label; may be repeated', parseLabels),
] as const;
export type LabelFlags = ValuesOf<typeof LABEL_FLAGS>;

export const REMOVE_SNAPSHOT_FLAGS = [
  ...STORE_FLAGS,
  flag('--force', 'remove a snapshot even if it is mounted'),
] as const;
export type RemoveSnapshotFlags = ValuesOf<typeof REMOVE_SNAPSHOT_FLAGS>;

export const CHECK_FLAGS = [
  ROOT,
  flag('--quick', 'check files without reading their contents'),
  flag('--repair', 'replace damaged files from the layers'),
  flag('--layer <FILE>', 'a layer to repair from; may be repeated', collect),
  flag('--prune', 'delete what belongs to no snapshot'),
  flag('--dry-run', 'change nothing; print what would be done'),
  flag('--rebuild', 'first rebuild damaged or lost metadata from the directories').conflicts('dryRun'),
  JSON_OUTPUT,
] as const;
export type CheckFlags = ValuesOf<typeof CHECK_FLAGS>;
