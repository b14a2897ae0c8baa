import type { IdMap, MountSystem } from '../../system/mount-system.js';
import type { TemporaryPlace } from './temporary-place.js';

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
 * @param place where they are attached. @default they are attached nowhere
 */
export async function withMappedLayers<T>(
  system: MountSystem,
  layers: readonly string[],
  map: IdMap,
  place: TemporaryPlace | undefined,
  use: (layers: readonly string[]) => Promise<T>,
): Promise<T> {
  const opened: number[] = [];
  const open = (descriptor: number): number => {
    opened.push(descriptor);
    return descriptor;
  };
  try {
    const userNamespace = open(system.makeUserNamespace(map));
    const mapped = layers.map((layer) => {
      const tree = open(system.cloneTree(layer, { recursive: false }));
      system.changeMount(tree, { userNamespace }, { recursive: false });
      place?.attach(tree);
      return `/proc/self/fd/${tree}`;
    });
    return await use(mapped);
  } finally {
    for (const descriptor of opened) system.close(descriptor);
  }
}
