import { mkdirSync } from 'node:fs';
import type { MountNamespace } from './mount-namespace.js';
import { readTree, type Tree } from './tree.js';

/** Mounts an EROFS image in the namespace, reads its tree, and unmounts it. */
export async function readErofs(namespace: MountNamespace, image: string, place: string): Promise<Tree> {
  mkdirSync(place, { recursive: true });
  await namespace.run(`mount -t erofs -o ro '${image}' '${place}'`);
  try {
    return readTree(namespace.view(place));
  } finally {
    await namespace.run(`umount '${place}'`);
  }
}
