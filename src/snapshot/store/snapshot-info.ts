import type { Fields } from '../../metadata/filter.js';
import { labelOf } from '../../metadata/labels.js';
import { checkName } from '../../metadata/name.js';
import type { NamedRecord } from '../../metadata/snapshot-records.js';
import type { SnapshotInfo } from '../snapshotter.js';

/** @throws OverlayerError `InvalidArgument`: it can't be a key, a name or a parent */
export function checkSnapshotName(name: string): void {
  checkName('Name of a snapshot', name);
}

export function snapshotInfo(record: NamedRecord): SnapshotInfo {
  const { name, kind, parent, labels, createdAt, updatedAt } = record;
  return { name, kind, parent, labels, createdAt: new Date(createdAt), updatedAt: new Date(updatedAt) };
}

/**
 * The fields that filters of `walk` know. A label's name may contain dots. A missing parent is an empty text, as in
 * containerd, which looks for a first layer with `parent==""`.
 */
export function snapshotFields(record: NamedRecord): Fields {
  return ([field, ...rest]) => {
    switch (field) {
      case 'name':
      case 'kind':
        return rest.length === 0 ? record[field] : undefined;
      case 'parent':
        return rest.length === 0 ? (record.parent ?? '') : undefined;
      case 'labels':
        return labelOf(record.labels, rest.join('.'));
      default:
        return undefined;
    }
  };
}
