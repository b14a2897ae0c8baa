import { mkdirSync, writeFileSync } from 'node:fs';
import { Descent } from '../../src/rootfs/trees/descent.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { AT_FDCWD, O } from '../../src/system/system.js';

/** Deeper than JavaScript's stack, and than a process may open files. */
export const DEPTH = 5000;

/** What a container can make below itself: directories that no path of the kernel's reaches, with a file in the last. */
export function makeDeepTree(path: string, content: string): void {
  const system = openLinuxSystem();
  mkdirSync(path);
  const root = system.openAt(AT_FDCWD, path, O.RDONLY | O.DIRECTORY, 0);
  try {
    using descent = new Descent(system, root);
    for (let depth = 0; depth < DEPTH; depth++) {
      system.makeDirectory(descent.directory, 'd', 0o755);
      descent.enter('d');
    }
    const last = `/proc/self/fd/${descent.directory}`;
    writeFileSync(`${last}/file`, content);
    system.link(descent.directory, 'file', descent.directory, 'linked');
  } finally {
    system.close(root);
  }
}
