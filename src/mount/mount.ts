import type { AbortableOptions } from '../base/abort.js';

/**
 * What to mount, in the form of containerd's `mount.Mount`. Making one mounts nothing.
 *
 * Of an overlay's directories in `options` each `\`, `:` and `,` has a `\` before it (`escapeLayer`), as the kernel
 * reads them.
 */
export interface Mount {
  /** `overlay`, `bind`, or the name of a file system. */
  readonly type: string;
  readonly source: string;
  /** A path below the directory that the mounts are put on. @default that directory itself */
  readonly target?: string | undefined;
  /** As in fstab. */
  readonly options: readonly string[];
}

/** Late: whoever unpacks layers alone need not wait for all of this to load. */
const load = () => import('./mounting.js');

/**
 * Mounts one after the other onto `target`, through the kernel's mount calls: no program is run. Nothing stays
 * mounted when one of them fails. A `Mount.target` is resolved below `target`, symlinks included.
 *
 * @throws OverlayerError `PermissionDenied`, `NotFound`, `InvalidArgument`, `FailedPrecondition` or `Unimplemented`,
 * with the kernel's own explanation where it gave one
 */
export async function mountAll(mounts: readonly Mount[], target: string): Promise<void> {
  await (await load()).mountAll(mounts, target);
}

/**
 * Unmounts all that is mounted on `target` and below, the last first. Waits up to 2.5 seconds for whoever still has
 * something open there. Nothing happens when nothing is mounted.
 *
 * @throws OverlayerError `FailedPrecondition` when it is still in use, `PermissionDenied`
 */
export async function unmountAll(target: string): Promise<void> {
  await (await load()).unmountAll(target);
}

/**
 * Mounts onto a temporary directory, and unmounts once `use` is done, has failed, or was aborted. An abort does not
 * wait for `use`: it finds the directory gone. The overlay option `volatile` is left out, since what was mounted
 * with it can't be mounted again.
 *
 * @throws OverlayerError as `mountAll`; `FailedPrecondition` when something still has files open there after
 * `use`, and the mount goes only with them
 * @throws what `use` throws
 */
export async function withMount<T>(
  mounts: readonly Mount[],
  use: (directory: string) => Promise<T> | T,
  options: AbortableOptions = {},
): Promise<T> {
  return await (await load()).withMount(mounts, use, options);
}
