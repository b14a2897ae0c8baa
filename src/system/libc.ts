import { constants } from 'node:os';
import type { LibraryHandle } from 'koffi';
import { OverlayerError } from '../base/errors.js';
import { loadKoffi } from '../base/natives.js';
import { encodePath } from '../base/path-bytes.js';
import { SystemError } from './system.js';

const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));
// Node does not name these. The numbers are those of all of Node's architectures.
ERRNO_NAMES.set(15, 'ENOTBLK').set(117, 'EUCLEAN');

/** @throws OverlayerError `Unimplemented` on any other system than Linux, or without koffi */
export function loadLibc(): LibraryHandle {
  if (process.platform !== 'linux')
    throw new OverlayerError(
      'Unimplemented',
      `Layers are written and mounted on Linux only, and this is ${process.platform}`,
      {
        hint: 'run it on Linux: in a virtual machine, or in a container',
      },
    );
  return loadKoffi().load('libc.so.6');
}

/** Throws the errno of this thread's last call. */
export function fail(syscall: string, path = ''): never {
  const number = loadKoffi().errno();
  throw new SystemError(ERRNO_NAMES.get(number) ?? `errno ${number}`, syscall, path);
}

export function check(result: number, syscall: string, path = ''): number {
  return result < 0 ? fail(syscall, path) : result;
}

/** A function of libc. A call blocks this thread; `async` runs it in a thread of libuv. */
export type ForeignFunction = ((...args: unknown[]) => number) & {
  async(...args: [...unknown[], (error: Error | null, result: number) => void]): void;
};

/** Runs a long call in another thread. */
export function checkLater(
  call: ForeignFunction,
  args: readonly unknown[],
  syscall: string,
  path = '',
): Promise<number> {
  return new Promise((resolve, reject) => {
    call.async(...args, (error, result) => {
      try {
        if (error) throw error;
        resolve(check(result, syscall, path)); // errno is valid in this callback only
      } catch (refusal) {
        reject(refusal);
      }
    });
  });
}

/** koffi encodes well-formed names; others are passed as bytes. */
export function cString(path: string): string | Buffer {
  return path.isWellFormed() ? path : Buffer.concat([encodePath(path), Buffer.of(0)]);
}
