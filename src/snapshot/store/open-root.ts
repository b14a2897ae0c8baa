import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkPath } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import { openLmdbStore } from '../../metadata/lmdb-store.js';
import type { Key, MetadataStore, WriteTransaction } from '../../metadata/metadata-store.js';
import { listRecords } from '../../metadata/snapshot-records.js';
import type { OverlaySupport } from '../../mount/overlay-support.js';
import { makePrivateDirectory } from '../../rootfs/private-directory.js';
import { toOverlayerError } from '../../system/errno-code.js';
import { openLinuxSystem } from '../../system/linux.js';
import type { System } from '../../system/system.js';
import { chooseBackend } from '../backends/choose-backend.js';
import type { OpenSnapshotterOptions, Snapshotter } from '../snapshotter.js';
import { treeThreads } from '../trees/tree-threads.js';
import { checkVersion, describeRoot, readBackend } from './format-version.js';
import { metadataLost } from './root-metadata.js';
import { SnapshotDirectories } from './snapshot-directories.js';
import { treeOf } from './snapshot-files.js';
import { StoredSnapshotter } from './stored-snapshotter.js';

const CONVERTED_KEY: Key = ['whiteouts are devices'];

/** An open root. Snapshots, images and blobs share its metadata store. */
interface OpenedRoot {
  /** Its real path, without symlinks. */
  readonly path: string;
  readonly system: System;
  /** Closing the snapshots closes it. */
  readonly store: MetadataStore;
  readonly snapshots: Snapshotter;
  readonly directories: SnapshotDirectories;
}

/** See `openSnapshotter`. */
export async function openRoot(options: OpenSnapshotterOptions): Promise<OpenedRoot> {
  checkPath('root', options.root);
  const system = openLinuxSystem();
  try {
    return await open(system, options);
  } catch (error) {
    throw toOverlayerError(error, `Cannot use "${options.root}" for snapshots`);
  }
}

async function open(system: System, options: OpenSnapshotterOptions): Promise<OpenedRoot> {
  const root = await makePrivateDirectory(system, options.root);
  const snapshots = await makePrivateDirectory(system, join(root, 'snapshots'));
  if (metadataLost(root))
    throw new OverlayerError('DataLoss', `The metadata of the snapshots in "${root}" are gone`, {
      hint: 'overlayer snapshots check --rebuild recovers what the directories show',
    });
  const store = openLmdbStore(join(root, 'metadata.db'), system);
  try {
    store.read((transaction) => checkVersion(transaction, root));
    const used = store.read(readBackend);
    const choice = await chooseBackend(options.backend, used, store, snapshots);
    await claim(store, root, choice.backend.name, used);
    const directories = new SnapshotDirectories(system, snapshots);
    if (choice.support?.userxattr) await convertStoredWhiteouts(store, directories, choice.support);
    const stored = new StoredSnapshotter(choice, store, directories);
    return { path: root, system, store, snapshots: stored, directories };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** A root belongs to the backend that opens it first. When two open it at once, one of them gets it. */
async function claim(
  store: MetadataStore,
  root: string,
  name: string,
  used: string | undefined,
): Promise<void> {
  const owner =
    used ??
    (await store.write((transaction) => {
      const first = readBackend(transaction);
      if (first === undefined) describeRoot(transaction, name);
      return first ?? name;
    }));
  if (owner === name) return;
  throw new OverlayerError('FailedPrecondition', `The snapshots in "${root}" are of the backend "${owner}"`, {
    hint: `open them with "${owner}", or choose another root for "${name}"`,
  });
}

/**
 * Makes devices of whiteouts that are attributes. Earlier versions wrote them without privileges, and so does a process
 * that may not make devices. A container can't remove a directory over such a whiteout. The conversion runs once, when
 * the root is opened. A layer that can't be converted still hides the same files, and the next opening tries again.
 */
async function convertStoredWhiteouts(
  store: MetadataStore,
  directories: SnapshotDirectories,
  { whiteoutDevices }: OverlaySupport,
): Promise<void> {
  const isDone = store.read((transaction) => transaction.get(CONVERTED_KEY) === true);
  // The caller does not wait for the disk. A change that could not be stored makes the next opening convert again.
  const remember = (change: (transaction: WriteTransaction) => void) => store.write(change).catch(() => {});
  // Layers that are unpacked from now on have to be converted later.
  if (isDone && !whiteoutDevices) remember((transaction) => transaction.delete(CONVERTED_KEY));
  if (isDone || !whiteoutDevices) return;
  const records = store.read((transaction) => listRecords(transaction));
  const committed = records.filter(({ kind }) => kind === 'committed');
  const converted = await Promise.all(committed.map(({ id }) => convertLayer(directories, id)));
  if (converted.every(Boolean)) remember((transaction) => transaction.put(CONVERTED_KEY, true));
}

/** @returns whether the layer is converted or gone */
async function convertLayer(directories: SnapshotDirectories, id: number): Promise<boolean> {
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
