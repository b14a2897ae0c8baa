import { symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { WorkerThread } from '../../base/threads/worker-thread.js';
import type { MountCall, MountSystem } from '../../system/mount-system.js';
import { SystemError } from '../../system/system.js';
import { makeTemporaryDirectory } from '../temporary-directory.js';

/** The job of `mount-worker.ts`. */
export interface MountJobs {
  /** Mounts with `directory` as the thread's working directory. @returns the kernel's refusal */
  mount(input: { readonly directory: string; readonly call: MountCall }): Refusal | undefined;
}

/** A `SystemError` as plain data. */
type Refusal = Pick<SystemError, 'errno' | 'syscall' | 'path'>;

/**
 * Mounts more layers than mount(2) has room for. Symlinks of one or two letters lead to the layers. Their directory is
 * the working directory of one thread; the other threads keep theirs.
 *
 * @param call makes the call from the layers' names
 * @throws SystemError
 */
export async function mountWithShortNames(
  system: MountSystem,
  layers: readonly string[],
  call: (names: readonly string[]) => MountCall,
): Promise<void> {
  using directory = await makeTemporaryDirectory(system);
  const { path } = directory;
  const names = layers.map((_, index) => index.toString(36));
  for (const [index, name] of names.entries()) await symlink(resolve(layers[index]!), join(path, name));
  const thread = new WorkerThread<MountJobs>(
    () => new URL('../../threads/mount.cjs', import.meta.url),
    'mount',
  );
  const refusal = await thread.runLast({ type: 'mount', directory: path, call: call(names) });
  if (refusal !== undefined) throw new SystemError(refusal.errno, refusal.syscall, refusal.path);
}
