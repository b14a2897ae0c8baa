import { displayPath } from '../../base/path-bytes.js';
import { type System, SystemError } from '../../system/system.js';
import { emptyDirectory, removeTree } from './remove-tree.js';

/** A refusal may be of the moment: too many open files, a network file system that had lost its server. */
const ATTEMPTS = 3;

/**
 * Removes what a failed unpack has written, and does not fail: what can't be removed is told, after everything else went.
 *
 * @param name what to remove in the open directory; undefined: all in it
 * @param path how people know it
 * @returns what stays, in words; undefined where nothing does
 */
export function takeBack(
  system: System,
  directory: number,
  name: string | undefined,
  path: string,
): string | undefined {
  let refusal: SystemError | undefined;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      if (name === undefined) emptyDirectory(system, directory);
      else removeTree(system, directory, name);
      return undefined;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      refusal = error;
    }
  }
  const { syscall, path: at, errno } = refusal!;
  return `"${displayPath(path)}" could not be removed (${syscall} "${displayPath(at)}": ${errno}): remove it by hand`;
}
