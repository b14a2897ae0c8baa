import { close } from 'node:fs';
import { promisify } from 'node:util';
import { ABORTABLE_OPTIONS, type AbortableOptions, orAborted } from '../base/abort.js';
import { checkArgument, checkOptions, checkPath } from '../base/check-arguments.js';
import { OverlayerError } from '../base/errors.js';
import { hasProc } from '../system/own-proc.js';
import { checkMounts, type Mount } from './mount.js';
import type { TemporaryDirectory } from './temporary-directory.js';

const closeDescriptor = promisify(close);

interface MountCalls {
  mount(mounts: readonly Mount[], target: string): Promise<void>;
  /** @returns a descriptor that ends the mount; undefined when it can only be attached to a directory */
  mountDetached(mounts: readonly Mount[]): Promise<number | undefined>;
  closeDetached(tree: number): Promise<void>;
  unmount(target: string, options: { readonly lazy: boolean }): Promise<void>;
  makeTemporaryDirectory(): Promise<TemporaryDirectory>;
}

let loaded: Promise<MountCalls> | undefined;

/** The modules that mount are loaded at the first mount: a process that only unpacks layers starts without them. */
function loadCalls(): Promise<MountCalls> {
  loaded ??= bindCalls();
  return loaded;
}

async function bindCalls(): Promise<MountCalls> {
  const [
    { mountShared, mountSharedDetached, releaseShared },
    { isOneTree },
    { unmountTree },
    { makeTemporaryDirectory },
    { openLinuxMountSystem },
  ] = await Promise.all([
    import('./shared-mounts.js'),
    import('./mount-onto.js'),
    import('./unmount-tree.js'),
    import('./temporary-directory.js'),
    import('../system/linux-mount.js'),
  ]);
  const system = openLinuxMountSystem();
  return {
    mount: (mounts, target) => mountShared(system, mounts, target),
    async mountDetached(mounts) {
      if (!hasProc() || !isOneTree(mounts)) return undefined;
      try {
        return await mountSharedDetached(system, mounts);
      } catch (error) {
        if (OverlayerError.is(error) && error.errno === 'ENOSYS') return undefined;
        throw error;
      }
    },
    async closeDetached(tree) {
      // In another thread: it waits 2 to 10 ms for all processors.
      await closeDescriptor(tree);
      await releaseShared(system);
    },
    async unmount(target, options) {
      await unmountTree(system, target, options);
      await releaseShared(system);
    },
    makeTemporaryDirectory: () => makeTemporaryDirectory(system),
  };
}

/**
 * Mounts one after the other onto `target`, through the kernel's mount calls: no program is run. Nothing stays
 * mounted when one of them fails. A `Mount.target` is resolved below `target`, symlinks included. Mounts that are parts
 * of a later one (`Mount`) do not appear in the mount table.
 *
 * EROFS files are mounted through read-only loop devices where the kernel does not mount them itself: before Linux 6.12,
 * and on file systems such as tmpfs and overlayfs. Files with a directory in `Mount.sharedIn` stay mounted there until
 * `unmountAll` unmounts the last target that uses them.
 *
 * @throws OverlayerError `PermissionDenied`, `NotFound`, `InvalidArgument`, `FailedPrecondition` or `Unimplemented`,
 *   with the kernel's own explanation where it gave one; `DataLoss`: an EROFS file is damaged
 */
export async function mountAll(mounts: readonly Mount[], target: string): Promise<void> {
  checkMounts('mounts', mounts);
  checkPath('target', target);
  await (await loadCalls()).mount(mounts, target);
}

/**
 * Unmounts everything that is mounted on `target` and below it, the latest mount first. While files are open there it
 * tries again, for up to 2.5 seconds. It does nothing when nothing is mounted there.
 *
 * @throws OverlayerError `FailedPrecondition` when files are still open there, `PermissionDenied`
 */
export async function unmountAll(target: string): Promise<void> {
  checkPath('target', target);
  await (await loadCalls()).unmount(target, { lazy: false });
}

/**
 * Mounts onto a temporary directory, and unmounts when `use` has returned or failed, or the signal is aborted. An
 * abort does not wait for `use`, which then finds the directory gone. The mount of a killed process is unmounted by the
 * next call of this user, unless files are open there. The overlay option `volatile` is left out: overlayfs refuses to
 * mount an upperdir again that was mounted with it.
 *
 * @throws OverlayerError as `mountAll`; `FailedPrecondition` when files are still open there after `use`. The mount
 *   then goes when they are closed
 * @throws what `use` throws; `signal.reason`
 */
export async function withMount<T>(
  mounts: readonly Mount[],
  use: (directory: string) => Promise<T> | T,
  options: AbortableOptions = {},
): Promise<T> {
  checkOptions('withMount', options, ABORTABLE_OPTIONS);
  checkMounts('mounts', mounts);
  checkArgument('use', use, 'function');
  const { signal } = options;
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

interface TemporaryMount {
  readonly directory: string;
  /**
   * Removes the directory too.
   *
   * @param options `lazy`: files that are open there do not keep it from leaving the namespace
   * @throws OverlayerError `FailedPrecondition` unless `lazy`, when files are open there; it is then unmounted lazily
   */
  unmount(options: { readonly lazy: boolean }): Promise<void>;
}

/**
 * Makes the mounts of a tree that only this process reads. It is attached nowhere, where the kernel can do that: a process
 * that is killed then leaves neither a mount nor a directory.
 *
 * @returns a path that only this process can use
 */
export async function mountForReading(mounts: readonly Mount[]): Promise<TemporaryMount> {
  const calls = await loadCalls();
  const tree = await calls.mountDetached(mounts);
  if (tree === undefined) return await mountTemporarily(mounts);
  return { directory: `/proc/self/fd/${tree}`, unmount: () => calls.closeDetached(tree) };
}

/** Mounts onto a new directory that only this user may look into. */
async function mountTemporarily(mounts: readonly Mount[]): Promise<TemporaryMount> {
  const calls = await loadCalls();
  const temporary = await calls.makeTemporaryDirectory();
  const { mountPoint: directory } = temporary;
  const unmount: TemporaryMount['unmount'] = async ({ lazy }) => {
    try {
      await calls.unmount(directory, { lazy });
    } catch (error) {
      await calls.unmount(directory, { lazy: true });
      throw error;
    } finally {
      temporary[Symbol.dispose]();
    }
  };
  try {
    await calls.mount(mounts.map(withoutVolatile), directory);
  } catch (error) {
    await unmount({ lazy: true });
    throw error;
  }
  return { directory, unmount };
}

function withoutVolatile(mount: Mount): Mount {
  return { ...mount, options: mount.options.filter((option) => option !== 'volatile') };
}
