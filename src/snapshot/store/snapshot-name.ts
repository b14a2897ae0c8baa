import { checkName } from '../../metadata/name.js';

/** @throws OverlayerError `InvalidArgument` for what can't be a key, a name or a parent */
export function checkSnapshotName(name: string): void {
  checkName('Name of a snapshot', name);
}
