import { type FileFinisher, finishFile } from '../../src/rootfs/finish-file.js';
import type { System } from '../../src/system/system.js';

/** Finishes each file when it comes, in the writer's own thread. */
export function finishAtOnce(system: System): FileFinisher {
  return {
    bytes: new Uint8Array(0),
    maxBytes: -1,
    keep() {},
    letGo() {},
    take(tail) {
      try {
        finishFile(system, tail, 0);
      } catch (error) {
        system.close(tail.descriptor);
        throw error;
      }
      system.close(tail.descriptor);
    },
    finish() {},
  };
}
