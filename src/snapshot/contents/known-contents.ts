import type { SnapshotContents } from './contents.js';
import { ErofsContents } from './erofs-contents.js';
import { TreeContents } from './tree-contents.js';

const KNOWN: ReadonlyMap<string, SnapshotContents> = new Map<string, SnapshotContents>([
  ['overlay', new TreeContents('overlay')],
  ['native', new TreeContents('directory')],
  ['erofs', new ErofsContents()],
]);

/**
 * The contents of a backend's snapshots. Backends are told apart here alone, and by name: a record file has only that.
 *
 * @returns undefined for a backend that is not one of this package
 */
export function contentsOf({ name }: { readonly name: string }): SnapshotContents | undefined {
  return KNOWN.get(name);
}
