import { readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { MountSystem } from '../system/mount-system.js';
import { hasProc, procMissing } from '../system/own-proc.js';
import { AT_FDCWD, asSystemError, isErrno, O, SystemError } from '../system/system.js';
import { BIND } from './kinds/bind-mount.js';
import { EROFS } from './kinds/erofs-mount.js';
import { FILE_SYSTEM } from './kinds/file-system-mount.js';
import type { MountAttempt, MountKind } from './kinds/mount-attempt.js';
import { OVERLAY } from './kinds/overlay-mount.js';
import { isShort } from './kinds/short-paths.js';
import { type TemporaryPlace, withTemporaryPlace } from './kinds/temporary-place.js';
import type { Mount } from './mount.js';
import { mountError } from './mount-error.js';
import { isIdMap, parseMountOptions } from './mount-options.js';
import { overlayLayers } from './overlay-layers.js';
import { countParts, fillTemplates } from './templates.js';

/** A mount that others of its list use. */
export interface PlacedMount {
  /** Without templates. */
  readonly mount: Mount;
  /** The path at which it is found. */
  readonly place: string;
}

/** It is attached nowhere. */
interface Part extends PlacedMount {
  readonly tree: number;
}

/**
 * Mounts one after the other onto `target`, except those that are parts of later ones. If one fails, the others are
 * unmounted.
 */
export async function mountOnto(
  system: MountSystem,
  mounts: readonly Mount[],
  target: string,
): Promise<void> {
  const done: string[] = [];
  try {
    await withParts(system, mounts, `"${target}"`, async (surroundings, placed, parts) => {
      for (const mount of placed) done.push(await mountOne(surroundings, mount, parts, target));
    });
  } catch (error) {
    for (const path of done.reverse()) await system.unmount(path, { lazy: true });
    throw error;
  }
}

/** Whether all mounts but the last are parts of it, so that they show one tree. */
export function isOneTree(mounts: readonly Mount[]): boolean {
  return mounts.length > 0 && countParts(mounts) === mounts.length - 1 && mounts.at(-1)?.target === undefined;
}

/**
 * Makes the mounts of one tree (`isOneTree`), and attaches them nowhere. They are in no mount table, and end with the
 * descriptor, also when the process is killed.
 *
 * @returns the descriptor
 * @throws OverlayerError as `mountAll`; with the errno `ENOSYS`: the kernel has only mount(2)
 */
export async function mountDetached(system: MountSystem, mounts: readonly Mount[]): Promise<number> {
  const shownIn = 'a temporary directory';
  return await withParts(system, mounts, shownIn, async (surroundings, [described], parts) => {
    const mount = fillTemplates(described!, parts);
    return await makeTree(surroundings, mount, `Cannot mount ${mount.type} on ${shownIn}`);
  });
}

/**
 * Makes the mounts that are parts of later ones, and closes them when `use` is done.
 *
 * @param target for errors: `"/mnt"`
 * @param use gets the other mounts, and the parts for their templates
 */
async function withParts<T>(
  system: MountSystem,
  mounts: readonly Mount[],
  target: string,
  use: (surroundings: Surroundings, placed: readonly Mount[], parts: readonly Part[]) => Promise<T>,
): Promise<T> {
  const count = countParts(mounts);
  if (count > 0 && !hasProc()) throw procMissing(`Cannot mount on ${target}`);
  const makeParts = async (place: TemporaryPlace | undefined): Promise<T> => {
    const surroundings = { system, place };
    const parts: Part[] = [];
    try {
      for (const described of mounts.slice(0, count)) {
        const mount = fillTemplates(described, parts);
        const tree = await makeTree(surroundings, mount, `Cannot mount ${mount.type} as a part of ${target}`);
        parts.push({ mount, tree, place: `/proc/self/fd/${tree}` });
        place?.attach(tree);
      }
      return await use(surroundings, mounts.slice(count), parts);
    } finally {
      for (const { tree } of parts) system.close(tree);
    }
  };
  const usesDetached = count > 0 || mounts.some(({ options }) => options.some(isIdMap));
  try {
    return usesDetached && !system.takesDetachedLayers()
      ? await withTemporaryPlace(system, makeParts)
      : await makeParts(undefined);
  } catch (error) {
    throw error instanceof SystemError ? mountError(`Cannot mount on ${target}`, error) : error;
  }
}

type Surroundings = Pick<MountAttempt, 'system' | 'place'>;

/** @returns the descriptor of a mount that is attached nowhere */
function makeTree(surroundings: Surroundings, mount: Mount, what: string): Promise<number> {
  return attemptMount(surroundings, mount, what, async (attempt, kind) => await kind.makeTree(attempt));
}

/** @returns the path of the mount, symlinks resolved */
async function mountOne(
  surroundings: Surroundings,
  described: Mount,
  parts: readonly Part[],
  root: string,
): Promise<string> {
  const { system } = surroundings;
  const mount = namedAfterFile(fillTemplates(described, parts), parts);
  const target = openTarget(system, root, mount.target ?? '');
  try {
    const what = `Cannot mount ${mount.type} on "${target.path}"`;
    await attemptMount(surroundings, mount, what, (attempt, kind) => mountOnTarget(attempt, kind, target));
    return target.path;
  } finally {
    system.close(target.descriptor);
  }
}

/**
 * The mount table does not show which files are layers of an overlay. The source, which overlayfs ignores, names the
 * nearest one, unless the caller has chosen a source.
 */
export function namedAfterFile(mount: Mount, parts: readonly PlacedMount[]): Mount {
  if (mount.type !== 'overlay' || mount.source !== 'overlay') return mount;
  const { lowers } = overlayLayers(parseMountOptions(mount.type, mount.options).data);
  const nearest = lowers.map((lower) => parts.find(({ place }) => place === lower)).find((part) => part);
  return nearest !== undefined && isShort(nearest.mount.source)
    ? { ...mount, source: nearest.mount.source }
    : mount;
}

/** @param what a sentence for errors: `Cannot mount overlay on "/mnt"` */
async function attemptMount<T>(
  surroundings: Surroundings,
  mount: Mount,
  what: string,
  make: (attempt: MountAttempt, kind: MountKind) => Promise<T>,
): Promise<T> {
  const options = parseMountOptions(mount.type, mount.options);
  const attempt: MountAttempt = { ...surroundings, mount, options, messages: [] };
  const log = surroundings.system.followLog();
  try {
    return await make(attempt, kindOf(mount, options));
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    // overlayfs explains its errors only in the log. Other filesystems begin their lines with their names too.
    const own = log?.read().filter((line) => line.toLowerCase().startsWith(mount.type)) ?? [];
    throw mountError(what, error, { ...mount, messages: [...attempt.messages, ...own] });
  } finally {
    log?.close();
  }
}

function kindOf({ type }: Mount, { bind }: MountAttempt['options']): MountKind {
  if (bind !== 'no') return BIND;
  if (type === 'overlay') return OVERLAY;
  return type === 'erofs' ? EROFS : FILE_SYSTEM;
}

/** The place that a mount is put on. */
interface MountTarget {
  /** Open with `O_PATH`. */
  readonly descriptor: number;
  /** Its path, symlinks resolved. */
  readonly path: string;
}

/** Kernels before 5.12, and some sandboxes, have mount(2) only. */
async function mountOnTarget(attempt: MountAttempt, kind: MountKind, target: MountTarget): Promise<void> {
  const { system } = attempt;
  try {
    const tree = await kind.makeTree(attempt);
    try {
      system.attach(tree, target.descriptor);
    } finally {
      system.close(tree);
    }
  } catch (error) {
    if (!isErrno(error, 'ENOSYS')) throw error;
    await kind.mountOld(attempt, target.path);
  }
}

function openTarget(system: MountSystem, root: string, below: string): MountTarget {
  try {
    const top = system.openAt(AT_FDCWD, realpathSync(root), O.PATH, 0);
    if (below === '') return { descriptor: top, path: pathOf(top, root) };
    try {
      const descriptor = system.openInRoot(top, below, O.PATH, 'follow');
      return { descriptor, path: pathOf(descriptor, join(root, below)) };
    } finally {
      system.close(top);
    }
  } catch (error) {
    const path = below === '' ? root : `${root}/${below}`;
    throw mountError(`Cannot mount on "${path}"`, asSystemError(error, ''));
  }
}

/** @param otherwise a path that led to it, for systems without /proc */
function pathOf(descriptor: number, otherwise: string): string {
  return hasProc() ? readlinkSync(`/proc/self/fd/${descriptor}`) : realpathSync(otherwise);
}
