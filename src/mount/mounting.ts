import { rmdir } from 'node:fs/promises';
import { type AbortableOptions, orAborted } from '../base/abort.js';
import type { Mount } from './mount.js';
import { mountOnto } from './mount-onto.js';
import { openMountSystem } from './open-mount-system.js';
import { makeTemporaryDirectory } from './temporary-directory.js';
import { unmountTree } from './unmount-tree.js';

export async function mountAll(mounts: readonly Mount[], target: string): Promise<void> {
  await mountOnto(await openMountSystem(), mounts, target);
}

export async function unmountAll(target: string): Promise<void> {
  await unmountTree(await openMountSystem(), target, { lazy: false });
}

export async function withMount<T>(
  mounts: readonly Mount[],
  use: (directory: string) => Promise<T> | T,
  { signal }: AbortableOptions,
): Promise<T> {
  signal?.throwIfAborted();
  const mounted = await mountTemporarily(mounts);
  let result: T;
  try {
    result = await orAborted(async () => await use(mounted.directory), signal);
  } catch (error) {
    await mounted.unmount({ lazy: true });
    throw error;
  }
  await mounted.unmount({ lazy: false });
  return result;
}

export interface TemporaryMount {
  readonly directory: string;
  /** The directory goes too. @throws OverlayerError unless `lazy`: it is in use, and goes only when it no longer is */
  unmount(options: { readonly lazy: boolean }): Promise<void>;
}

/** Mounts onto a directory that nobody else may look into. */
export async function mountTemporarily(mounts: readonly Mount[]): Promise<TemporaryMount> {
  const system = await openMountSystem();
  const directory = await makeTemporaryDirectory('mount');
  const unmount: TemporaryMount['unmount'] = async ({ lazy }) => {
    try {
      await unmountTree(system, directory, { lazy });
    } catch (error) {
      await unmountTree(system, directory, { lazy: true });
      throw error;
    } finally {
      // Never recursively: were it still mounted, that would delete the snapshot.
      await rmdir(directory);
    }
  };
  try {
    await mountOnto(system, mounts.map(withoutVolatile), directory);
  } catch (error) {
    await unmount({ lazy: true });
    throw error;
  }
  return { directory, unmount };
}

function withoutVolatile(mount: Mount): Mount {
  return { ...mount, options: mount.options.filter((option) => option !== 'volatile') };
}
