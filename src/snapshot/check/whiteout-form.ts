import { existsSync } from 'node:fs';
import { OverlayerError } from '../../base/errors.js';
import type { Key, MetadataStore, WriteTransaction } from '../../metadata/metadata-store.js';
import { listRecords } from '../../metadata/snapshot-records.js';
import type { OverlaySupport } from '../../mount/overlay-support.js';
import type { SnapshotDirectories } from '../store/snapshot-directories.js';
import { treeOf } from '../store/snapshot-tree.js';
import { treeThreads } from '../trees/tree-threads.js';

const CONVERTED_KEY: Key = ['whiteouts are devices'];

/**
 * Converts the layers that were unpacked without privileges by earlier versions, or where no device could be made: over
 * their whiteouts, which are attributes, containers can't remove directories. It is done once, when a root is opened.
 * What can't be converted then goes on hiding what it hid, and is left for the next opening.
 */
export async function convertStoredWhiteouts(
  store: MetadataStore,
  directories: SnapshotDirectories,
  { whiteoutDevices }: OverlaySupport,
): Promise<void> {
  const isDone = store.read((transaction) => transaction.get(CONVERTED_KEY) === true);
  // Whoever can't remember does it again: nobody waits for the disk.
  const remember = (change: (transaction: WriteTransaction) => void) => store.write(change).catch(() => {});
  // Layers that are unpacked from here on have to be converted later.
  if (isDone && !whiteoutDevices) remember((transaction) => transaction.delete(CONVERTED_KEY));
  if (isDone || !whiteoutDevices) return;
  const records = store.read((transaction) => listRecords(transaction));
  const committed = records.filter(({ kind }) => kind === 'committed');
  const converted = await Promise.all(committed.map(({ id }) => convert(directories, id)));
  if (converted.every(Boolean)) remember((transaction) => transaction.put(CONVERTED_KEY, true));
}

/** @returns whether nothing is left to convert */
async function convert(directories: SnapshotDirectories, id: number): Promise<boolean> {
  const directory = directories.pathOf(id);
  const tree = treeOf(directory);
  try {
    await directories.hold(id, async () => {
      if (existsSync(tree)) await treeThreads.run({ type: 'convert-whiteouts', tree, scratch: directory });
    });
    return true;
  } catch (error) {
    if (!OverlayerError.is(error)) throw error;
    return false;
  }
}
