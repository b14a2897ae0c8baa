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
  const system = await openMountSystem();
  const directory = await makeTemporaryDirectory('mount');
  let result: T;
  try {
    await mountOnto(system, mounts.map(withoutVolatile), directory);
    result = await orAborted(async () => await use(directory), signal);
  } catch (error) {
    await unmountTree(system, directory, { lazy: true });
    await rmdir(directory);
    throw error;
  }
  try {
    await unmountTree(system, directory, { lazy: false });
  } catch (error) {
    await unmountTree(system, directory, { lazy: true });
    throw error;
  } finally {
    // Never recursively: were it still mounted, that would delete the snapshot.
    await rmdir(directory);
  }
  return result;
}

function withoutVolatile(mount: Mount): Mount {
  return { ...mount, options: mount.options.filter((option) => option !== 'volatile') };
}
