import { join } from 'node:path';
import { OverlayerError } from '../../base/errors.js';
import { openLmdbStore } from '../../metadata/lmdb-store.js';
import type { MetadataStore } from '../../metadata/metadata-store.js';
import { makePrivateDirectory } from '../../rootfs/private-directory.js';
import { toOverlayerError } from '../../system/errno-code.js';
import { openLinuxSystem } from '../../system/linux.js';
import type { System } from '../../system/system.js';
import { chooseBackend } from '../backends/choose-backend.js';
import { convertStoredWhiteouts } from '../check/whiteout-form.js';
import type { OpenSnapshotterOptions } from '../open-snapshotter.js';
import type { Snapshotter } from '../snapshotter.js';
import { metadataLost } from './metadata-damage.js';
import { checkVersion, describeRoot, readBackend } from './root-records.js';
import { SnapshotDirectories } from './snapshot-directories.js';
import { StoredSnapshotter } from './stored-snapshotter.js';

/** What is below a root: one metadata store, which the snapshots share with whatever else is kept there. */
export interface OpenedRoot {
  /** Its real path. */
  readonly path: string;
  readonly system: System;
  /** Goes with the snapshots: closed by them. */
  readonly store: MetadataStore;
  readonly snapshots: Snapshotter;
}

/** See `openSnapshotter`. */
export async function openRoot(options: OpenSnapshotterOptions): Promise<OpenedRoot> {
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
    checkVersion(store, root);
    const used = store.read(readBackend);
    const choice = await chooseBackend(options.backend, used, store, snapshots);
    await claim(store, root, choice.backend.name, used);
    const directories = new SnapshotDirectories(system, snapshots);
    if (choice.support?.userxattr) await convertStoredWhiteouts(store, directories, choice.support);
    return { path: root, system, store, snapshots: new StoredSnapshotter(choice, store, directories) };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** A root belongs to the backend that first opens it; of two that do so at once, to one. */
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
