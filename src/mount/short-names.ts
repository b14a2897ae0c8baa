import { once } from 'node:events';
import { rmdir, symlink, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { startWorker } from '../base/start-worker.js';
import type { MountCall } from '../system/mount-system.js';
import { SystemError } from '../system/system.js';
import { makeTemporaryDirectory } from './temporary-directory.js';

/** For `mount-worker.ts`. */
export interface ShortMount {
  /** Where the names in `call` are to be found. */
  readonly directory: string;
  readonly call: MountCall;
}

/** What it answers when the kernel refuses. */
export type Refusal = Pick<SystemError, 'errno' | 'syscall' | 'path'>;

/**
 * Mounts more layers than mount(2) has room for: symlinks of one or two letters lead to them, from a directory
 * that is a thread's own working directory. (Every other thread keeps the one it has.)
 *
 * @param call makes the call from the layers' names
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
    const data: ShortMount = { directory, call: call(names) };
    const worker = startWorker(() => new URL('../threads/mount.cjs', import.meta.url), {
      name: 'mount',
      data,
    });
    // To its end: until then it has descriptors of this process.
    const [[answer]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
    const refusal = answer as Refusal | undefined;
    if (refusal !== undefined) throw new SystemError(refusal.errno, refusal.syscall, refusal.path);
  } finally {
    for (const name of names) await unlink(join(directory, name));
    await rmdir(directory);
  }
}
