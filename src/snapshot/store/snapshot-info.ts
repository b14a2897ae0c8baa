import type { Fields } from '../../metadata/filter.js';
import { labelOf } from '../../metadata/labels.js';
import type { NamedRecord } from '../../metadata/snapshot-records.js';
import type { SnapshotInfo } from '../snapshotter.js';

export function snapshotInfo(record: NamedRecord): SnapshotInfo {
  const { name, kind, parent, labels, createdAt, updatedAt } = record;
  return { name, kind, parent, labels, createdAt: new Date(createdAt), updatedAt: new Date(updatedAt) };
}

/** What `walk`'s filters can ask of a snapshot. The rest of a label's path is its name, dots and all. */
export function snapshotFields(record: NamedRecord): Fields {
  return ([field, ...rest]) => {
    switch (field) {
      case 'name':
      case 'kind':
      case 'parent':
        return rest.length === 0 ? record[field] : undefined;
      case 'labels':
        return labelOf(record.labels, rest.join('.'));
      default:
        return undefined;
    }
  };
}
