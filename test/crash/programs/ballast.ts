import { execFileSync } from 'node:child_process';
import { appendFileSync, statSync } from 'node:fs';

/** Fills up the file system that `path` is on, to its last block. */
export function takeTheRest(path: string): void {
  for (let before = -1, size = 0; size > before; ) {
    before = size;
    for (const bytes of [65536, 512])
      try {
        for (;;) appendFileSync(path, Buffer.alloc(bytes));
      } catch {
        // That was all; but what was put aside for what is not written yet is free again once it is.
      }
    execFileSync('sync', ['--file-system', path]);
    size = statSync(path).size;
  }
}
