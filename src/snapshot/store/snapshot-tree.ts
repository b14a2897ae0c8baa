import { chmodSync, existsSync, mkdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';

/** Whether the backend is one of this package. Other backends lay out a snapshot's directory in their own way. */
export function hasKnownLayout(backend: string): boolean {
  return backend === 'overlay' || backend === 'native';
}

/** The snapshot's own tree, for the backends of this package. */
export function treeOf(directory: string): string {
  return join(directory, 'fs');
}

/**
 * Makes the root directory of a snapshot's tree. Most images have no layer that lists the root. It therefore gets the
 * attributes of every directory that no entry lists, so that the same layers give the same tree.
 */
export function makeTree(path: string): void {
  mkdirSync(path);
  // The umask does not apply.
  chmodSync(path, 0o755);
  utimesSync(path, 0, 0);
}

/** The manifest of a committed snapshot's tree (`layer/manifest/`). */
export function manifestOf(directory: string): string {
  return join(directory, 'manifest');
}

export function hasManifest(directory: string): boolean {
  return existsSync(manifestOf(directory));
}
