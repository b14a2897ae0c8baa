import { toOverlayerError } from '../../system/errno-code.js';

/** Runs `work` on what is at `path` in a tree; what the kernel refuses names it. */
export function reading<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toOverlayerError(error, { inTree: path === '' ? '.' : path });
  }
}
