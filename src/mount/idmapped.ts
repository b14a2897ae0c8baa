import { rmdir } from 'node:fs/promises';
import type { IdMap, MountSystem } from '../system/mount-system.js';
import { AT_FDCWD, O } from '../system/system.js';
import { makeTemporaryDirectory } from './temporary-directory.js';

/** Makes the files of a mount show the owners that the map has for those on disk. */
export function mapOwners(system: MountSystem, tree: number, map: IdMap | undefined): void {
  if (map === undefined) return;
  const userNamespace = system.makeUserNamespace(map);
  try {
    system.changeMount(tree, { userNamespace }, { recursive: false });
  } finally {
    system.close(userNamespace);
  }
}

/**
 * Mounts layers with mapped owners while `use` runs. An overlay itself cannot be idmapped.
 *
 * The mounts are attached to a temporary directory, on top of each other, and found by their descriptors: overlayfs
 * before Linux 6.15 does not take layers that are attached nowhere.
 */
export async function withMappedLayers(
  system: MountSystem,
  layers: readonly string[],
  map: IdMap,
  use: (layers: readonly string[]) => Promise<void>,
): Promise<void> {
  const directory = await makeTemporaryDirectory('idmapped');
  const opened: number[] = [];
  let mounted = 0;
  const open = (descriptor: number): number => {
    opened.push(descriptor);
    return descriptor;
  };
  try {
    const place = open(system.openAt(AT_FDCWD, directory, O.PATH, 0));
    const userNamespace = open(system.makeUserNamespace(map));
    const mapped = layers.map((layer) => {
      const tree = open(system.cloneTree(layer, { recursive: false }));
      system.changeMount(tree, { userNamespace, private: true }, { recursive: false });
      system.attach(tree, place);
      mounted++;
      return `/proc/self/fd/${tree}`;
    });
    await use(mapped);
  } finally {
    for (; mounted > 0; mounted--) await system.unmount(directory, { lazy: true });
    for (const descriptor of opened) system.close(descriptor);
    await rmdir(directory);
  }
}
