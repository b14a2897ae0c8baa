import { realpathSync } from 'node:fs';
import { encodePath } from '../../base/path-bytes.js';
import type { MountSystem } from '../../system/mount-system.js';
import { AT_FDCWD, O } from '../../system/system.js';

/** fsconfig(2) takes values of up to 255 bytes. */
const MAX_VALUE_BYTES = 255;

export function isShort(path: string): boolean {
  return encodePath(path).length <= MAX_VALUE_BYTES;
}

/** Replaces paths that are too long for fsconfig(2) by paths of descriptors, while it is used. */
export class ShortPaths implements Disposable {
  readonly #system: MountSystem;
  readonly #opened: number[] = [];

  constructor(system: MountSystem) {
    this.#system = system;
  }

  /** @param written the path in the form that the filesystem reads @throws the error of node:fs when it does not exist */
  shorten(path: string, written = path): string {
    if (isShort(written)) return written;
    const descriptor = this.#system.openAt(AT_FDCWD, realpathSync(path), O.PATH, 0);
    this.#opened.push(descriptor);
    return `/proc/self/fd/${descriptor}`;
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.#opened) this.#system.close(descriptor);
  }
}
