import { toOverlayerError } from '../../system/errno-code.js';

/** Runs `work` on the entry at `path` of a tree. Errors of the kernel name the path. */
export function reading<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toOverlayerError(error, { inTree: path === '' ? '.' : path });
  }
}
