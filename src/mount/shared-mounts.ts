import { basename, dirname, join } from 'node:path';
import type { AbortableOptions } from '../base/abort.js';
import type { MountSystem } from '../system/mount-system.js';
import { type MountInfo, readMountInfo } from '../system/mountinfo.js';
import { hasProc } from '../system/own-proc.js';
import { KeptMounts, SHARED_MOUNTS } from './kept-mounts.js';
import type { Mount } from './mount.js';
import { mountDetached, mountOnto, namedAfterFile, type PlacedMount } from './mount-onto.js';
import { isIdMap, parseMountOptions } from './mount-options.js';
import { namesBelow } from './store-mounts.js';
import { countParts, fillTemplates } from './templates.js';

/** Mounts as `mountOnto`, from shared files (`withSharedFiles`). */
export async function mountShared(
  system: MountSystem,
  mounts: readonly Mount[],
  target: string,
): Promise<void> {
  await withSharedFiles(system, mounts, (list) => mountOnto(system, list, target));
}

/** Mounts as `mountDetached`, from shared files (`withSharedFiles`). */
export async function mountSharedDetached(system: MountSystem, mounts: readonly Mount[]): Promise<number> {
  return await withSharedFiles(system, mounts, (list) => mountDetached(system, list));
}

/**
 * Shares the page cache of EROFS files with other mounts of this mount namespace.
 *
 * Each mount of a file has a page cache of its own: a second container that reads 1.5 GB adds 1.5 GB to it. A file with a
 * directory in `sharedIn` is therefore mounted there once, and the mounts are overlays of that directory, or bind
 * mounts of it. The mount table shows which of these directories overlays use, also after a crash. The kernel keeps a layer
 * of an overlay until the end of the overlay, so that an unmount in the directory never takes away files that are in use.
 *
 * A file that can't be shared is mounted for this target alone: on a read-only store, without /proc, and while another
 * process keeps the lock of the directory.
 *
 * @param mount gets the list with directories in place of its files
 */
async function withSharedFiles<T>(
  system: MountSystem,
  mounts: readonly Mount[],
  mount: (mounts: readonly Mount[]) => Promise<T>,
): Promise<T> {
  const count = countParts(mounts);
  const shared = count === 0 ? mounts.slice(-1) : mounts.slice(0, count);
  const directory = shared.find(({ sharedIn }) => sharedIn !== undefined)?.sharedIn;
  if (directory === undefined || !hasProc() || !shared.every((each) => each.sharedIn === directory))
    return await mount(mounts);
  const kept = keptIn(directory, system);
  let held = false;
  try {
    return await kept.use(shared.map(withoutIdMap), async (places) => {
      held = true;
      return await mount(onPlaces(mounts, shared, places));
    });
  } catch (error) {
    if (!held) return await mount(mounts);
    await kept.sweep().catch(() => {});
    throw error;
  }
}

/** Unmounts the files in the `shared-mounts` of every store that no mount of this namespace uses. It reports no failure. */
export async function releaseShared(system: MountSystem): Promise<void> {
  if (!hasProc()) return;
  const directories = new Set(
    readMountInfo()
      .filter(isShared)
      .map(({ mountPoint }) => dirname(mountPoint)),
  );
  // A failure leaves what the next unmount or cleanup tries again.
  for (const directory of directories)
    try {
      const kept = keptIn(directory, system);
      if (kept.unused().length > 0) await kept.sweep();
    } catch {}
}

/**
 * Unmounts the files in the `shared-mounts` of a store that no mount of this namespace uses.
 *
 * @param root of the store
 * @throws OverlayerError as `KeptMounts.sweep`
 */
export async function sweepShared(root: string, options: AbortableOptions): Promise<void> {
  if (hasProc()) await keptIn(join(root, SHARED_MOUNTS)).sweep(options);
}

function keptIn(directory: string, system?: MountSystem): KeptMounts {
  return new KeptMounts(
    directory,
    () => [],
    system,
    () => namesInUse(directory),
  );
}

/** The names in the directory that overlays have as layers, or whose file system is mounted on a target. */
function namesInUse(directory: string): ReadonlySet<string> {
  const mounts = readMountInfo();
  // A path in `lowerdir=` is escaped, one in `lowerdir+=` is not: each text has both readings.
  const overlays = mounts
    .filter(({ type }) => type === 'overlay')
    .map(({ superOptions }) => `${superOptions},${superOptions.replace(/\\(.)/g, '$1')}`);
  const files = mounts.filter(({ type }) => type === 'erofs');
  const shared = files.filter(isShared);
  const used = new Set<string>();
  for (const place of new Set([directory, ...shared.map(({ mountPoint }) => dirname(mountPoint))]))
    for (const text of overlays) for (const name of namesBelow(place, text)) used.add(join(place, name));
  // A bind mount of the store has the same mounts on other paths, and an overlay names only one of them.
  const inUse = (file: MountInfo) => !isShared(file) || used.has(file.mountPoint);
  const devices = new Set(files.filter(inUse).map(({ device }) => device));
  for (const { device, mountPoint } of shared) if (devices.has(device)) used.add(mountPoint);
  return new Set([...used].filter((path) => dirname(path) === directory).map((path) => basename(path)));
}

function isShared({ type, mountPoint }: MountInfo): boolean {
  return type === 'erofs' && basename(dirname(mountPoint)) === SHARED_MOUNTS;
}

/** The list with directories in place of its files. */
function onPlaces(
  mounts: readonly Mount[],
  files: readonly Mount[],
  places: readonly string[],
): readonly Mount[] {
  const last = mounts.at(-1)!;
  if (last === files[0]) {
    const { data } = parseMountOptions(last.type, last.options);
    const options = [...last.options.filter((option) => !data.includes(option)), 'ro', 'bind'];
    return [...mounts.slice(0, -1), { ...last, type: 'bind', source: places[0]!, options }];
  }
  const parts = files.map((mount, index): PlacedMount => ({ mount, place: places[index]! }));
  return mounts.slice(files.length).map((mount) => namedAfterFile(fillTemplates(mount, parts), parts));
}

/** The owners in the directory are those in the file: mounts with other maps share it. */
function withoutIdMap(mount: Mount): Mount {
  return { ...mount, options: mount.options.filter((option) => !isIdMap(option)) };
}
