import { rmdir, symlink, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { WorkerThread } from '../../base/threads/worker-thread.js';
import type { MountCall } from '../../system/mount-system.js';
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
  layers: readonly string[],
  call: (names: readonly string[]) => MountCall,
): Promise<void> {
  const directory = await makeTemporaryDirectory('layers');
  const names: string[] = [];
  try {
    for (const layer of layers) {
      const name = names.length.toString(36);
      await symlink(resolve(layer), join(directory, name));
      names.push(name);
    }
    const thread = new WorkerThread<MountJobs>(
      () => new URL('../../threads/mount.cjs', import.meta.url),
      'mount',
    );
    const refusal = await thread.runLast({ type: 'mount', directory, call: call(names) });
    if (refusal !== undefined) throw new SystemError(refusal.errno, refusal.syscall, refusal.path);
  } finally {
    for (const name of names) await unlink(join(directory, name));
    await rmdir(directory);
  }
}
