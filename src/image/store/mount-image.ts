import { realpath } from 'node:fs/promises';
import { isCode, OverlayerError } from '../../base/errors.js';
import { withContext } from '../../base/with-context.js';
import { mountAll, unmountAll } from '../../mount/mounting.js';
import type { ChainID } from '../../oci/chain-ids.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { temporaryKey } from '../../snapshot/temporary-key.js';
import { toOverlayerError } from '../../system/errno-code.js';
import { MOUNTED_ON_LABEL } from './image-labels.js';

interface MountedImage {
  /** ChainID of the top layer; undefined for an image without layers. */
  readonly chainID: ChainID | undefined;
  readonly directory: string;
  readonly writable: boolean;
}

/** Mounts an image by a snapshot whose label names the directory, by which `unmountImage` finds it. */
export async function mountImage(
  snapshots: Snapshotter,
  { chainID, directory, writable }: MountedImage,
): Promise<void> {
  const target = await realDirectory(directory).catch((error: unknown) => {
    throw isCode(error, 'NotFound') ? withContext(error, { hint: 'create it first' }) : error;
  });
  const key = temporaryKey(chainID ?? 'empty', 'mount');
  const options = { parent: chainID, labels: { [MOUNTED_ON_LABEL]: target } };
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
export async function unmountImage(snapshots: Snapshotter, directory: string): Promise<void> {
  const target = await realDirectory(directory);
  const keys: string[] = [];
  for await (const { name, labels } of snapshots.walk({ filters: [`labels."${MOUNTED_ON_LABEL}"`] }))
    if (labels[MOUNTED_ON_LABEL] === target) keys.push(name);
  if (keys.length === 0)
    throw new OverlayerError('NotFound', `No image is mounted on "${directory}"`, {
      hint: 'overlayer snapshots unmount unmounts what else is mounted there',
    });
  await unmountAll(target);
  for (const key of keys) await snapshots.remove(key);
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
