import { realpath } from 'node:fs/promises';
import { isCode, OverlayerError } from '../../base/errors.js';
import { ifFound } from '../../base/if-found.js';
import { withContext } from '../../base/with-context.js';
import type { Labels } from '../../metadata/labels.js';
import { mountAll, unmountAll } from '../../mount/mounting.js';
import { showsSnapshots } from '../../mount/store-mounts.js';
import type { ChainID } from '../../oci/chain-ids.js';
import type { SnapshotInfo, Snapshotter } from '../../snapshot/snapshotter.js';
import { temporaryKey } from '../../snapshot/temporary-key.js';
import { toOverlayerError } from '../../system/errno-code.js';
import { isReadOnly } from '../../system/is-read-only.js';
import { MOUNTED_ON_LABEL } from './image-labels.js';
import type { StoreParts } from './store-parts.js';

interface MountedImage {
  /** ChainID of the top layer; undefined for an image without layers. */
  readonly chainID: ChainID | undefined;
  readonly directory: string;
  readonly writable: boolean;
  /** Labels of the snapshot. */
  readonly labels: Labels;
}

/** Mounts an image by a snapshot whose label names the directory, by which `unmountImage` finds it. */
export async function mountImage(
  snapshots: Snapshotter,
  { chainID, directory, writable, labels }: MountedImage,
): Promise<void> {
  const target = await realDirectory(directory).catch((error: unknown) => {
    throw isCode(error, 'NotFound') ? withContext(error, { hint: 'create it first' }) : error;
  });
  const key = temporaryKey(chainID ?? 'empty', 'mount');
  const options = { parent: chainID, labels: { ...labels, [MOUNTED_ON_LABEL]: target } };
  const mounts = await (writable ? snapshots.prepare(key, options) : snapshots.view(key, options)).catch(
    (error: unknown) => {
      throw isCode(error, 'NotFound') ? notUnpacked(chainID, error) : error;
    },
  );
  try {
    await mountAll(mounts, target);
  } catch (error) {
    await snapshots.remove(key);
    throw error;
  }
}

/** @throws OverlayerError `NotFound` when no image is mounted on the directory */
export async function unmountImage(
  { snapshots, directories }: Pick<StoreParts, 'snapshots' | 'directories'>,
  directory: string,
): Promise<void> {
  const target = await realDirectory(directory);
  const mounted = await findMounted(snapshots, target);
  // A store that is read-only has no record of its mounts.
  const isMounted =
    mounted.length > 0 || (isReadOnly(directories.path) && showsSnapshots(directories.path, target));
  if (!isMounted)
    throw new OverlayerError('NotFound', `No image is mounted on "${directory}"`, {
      hint: 'overlayer snapshots unmount unmounts what else is mounted there',
    });
  await unmountAll(target);
  for (const { name } of mounted) await snapshots.remove(name);
}

/** The snapshots of images that were mounted on a directory, the latest one last. None for a directory that does not exist. */
export async function findMounted(
  snapshots: Snapshotter,
  directory: string,
): Promise<readonly SnapshotInfo[]> {
  const target = await ifFound(realDirectory(directory));
  const found: SnapshotInfo[] = [];
  for await (const info of snapshots.walk({ filters: [`labels."${MOUNTED_ON_LABEL}"`] }))
    if (info.labels[MOUNTED_ON_LABEL] === target) found.push(info);
  return found.sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
}

async function realDirectory(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    throw toOverlayerError(error, `Cannot find directory "${path}"`);
  }
}

function notUnpacked(chainID: ChainID | undefined, cause: OverlayerError): OverlayerError {
  return new OverlayerError('FailedPrecondition', `The layers of the image are not unpacked: ${chainID}`, {
    hint: 'pull or import the image again; if its layers are there already, overlayer snapshots check finds the damage',
    cause,
  });
}
