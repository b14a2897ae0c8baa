import { statSync } from 'node:fs';
import { join } from 'node:path';
import { OverlayerError, openSnapshotter, openStore, type Snapshotter, type Store } from '../index.js';
import { fileFailure, reportFailure } from './failure.js';
import type { StoreFlags } from './flags/store-flags.js';
import { userDirectory } from './user-directory.js';

/** @returns the exit code; nothing is 0 */
type Use<Opened> = (opened: Opened) => Promise<number | undefined> | Promise<void>;
/** Tells what a failure leaves behind. */
type Aftermath = (error: unknown) => string | undefined;
type FlagsWithProgress = StoreFlags & { readonly progress?: string };

/** Opens the store, and creates it if it does not exist. Reports errors. @returns the exit code */
export async function withStore(
  flags: FlagsWithProgress,
  use: Use<Store>,
  aftermath?: Aftermath,
): Promise<number> {
  return await useOpened(
    () => openStore({ root: rootOf(flags), backend: flags.backend }),
    use,
    flags,
    aftermath,
  );
}

/** `withStore`, except that a store that does not exist is an error: the root is probably misspelled. */
export async function withExistingStore(flags: StoreFlags, use: Use<Store>): Promise<number> {
  const open = () => openStore({ root: existingImages(flags), backend: flags.backend });
  return await useOpened(open, use, flags);
}

/** `withStore` for the snapshots alone. */
export async function withSnapshots(
  flags: FlagsWithProgress,
  use: Use<Snapshotter>,
  aftermath?: Aftermath,
): Promise<number> {
  const open = () => openSnapshotter({ root: rootOf(flags), backend: flags.backend });
  return await useOpened(open, use, flags, aftermath);
}

/** `withExistingStore` for the snapshots alone. */
export async function withExistingSnapshots(
  flags: FlagsWithProgress,
  use: Use<Snapshotter>,
  aftermath?: Aftermath,
): Promise<number> {
  const open = () => openSnapshotter({ root: existingSnapshots(flags), backend: flags.backend });
  return await useOpened(open, use, flags, aftermath);
}

/** @throws OverlayerError `NotFound`, `PermissionDenied` */
export function existingImages(flags: Pick<StoreFlags, 'root'>): string {
  return existingRoot(flags, IMAGES);
}

/** @throws OverlayerError `NotFound`, `PermissionDenied` */
export function existingSnapshots(flags: Pick<StoreFlags, 'root'>): string {
  return existingRoot(flags, SNAPSHOTS);
}

async function useOpened<Opened extends { close(): Promise<void> }>(
  open: () => Promise<Opened>,
  use: Use<Opened>,
  flags: FlagsWithProgress,
  aftermath?: Aftermath,
): Promise<number> {
  try {
    const opened = await open();
    try {
      return (await use(opened)) ?? 0;
    } finally {
      await opened.close();
    }
  } catch (error) {
    return reportFailure(error, flags, aftermath?.(error));
  }
}

/**
 * `--root`, else OVERLAYER_ROOT, else the system's directory for root, and for others that of the XDG specification.
 *
 * @throws OverlayerError `FailedPrecondition`: the user has no home
 */
export function rootOf({
  root = process.env['OVERLAYER_ROOT'] || undefined,
}: Pick<StoreFlags, 'root'>): string {
  if (root !== undefined) return root;
  if (isRootOfSystem()) return '/var/lib/overlayer';
  const data = userDirectory('XDG_DATA_HOME', '.local/share');
  if (data !== undefined) return join(data, 'overlayer');
  throw new OverlayerError(
    'FailedPrecondition',
    'There is no default for --root: you have no home directory',
    {
      hint: 'name a directory by --root or OVERLAYER_ROOT, or set HOME',
    },
  );
}

/** Root of a user namespace does not count: there the system's directories have no owner. */
function isRootOfSystem(): boolean {
  return process.geteuid?.() === 0 && (statSync('/var/lib', { throwIfNoEntry: false })?.uid ?? 0) === 0;
}

const IMAGES = { name: 'images', origin: 'pull or import adds the first one' };
const SNAPSHOTS = { name: 'snapshots', origin: 'snapshots unpack or prepare makes the first one' };

/** @param what is expected there, and how to get the first one */
function existingRoot(
  flags: Pick<StoreFlags, 'root'>,
  what: { readonly name: string; readonly origin: string },
): string {
  const root = rootOf(flags);
  try {
    statSync(join(root, 'snapshots'));
    return root;
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code!))
      throw fileFailure(error, `Cannot look into "${root}"`);
    throw new OverlayerError('NotFound', `There are no ${what.name} in "${root}"`, {
      hint: `${what.origin}; --root or OVERLAYER_ROOT names another directory`,
    });
  }
}
