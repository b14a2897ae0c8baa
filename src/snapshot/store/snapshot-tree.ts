import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Whether the snapshots' directories are laid out as here: a backend of somebody else's has its own way. */
export function hasKnownLayout(backend: string): boolean {
  return backend === 'overlay' || backend === 'native';
}

/** Where a snapshot's own tree is in its directory, for the backends of this package. */
export function treeOf(directory: string): string {
  return join(directory, 'fs');
}

/** What is in the tree of a committed snapshot (`layer/manifest/`). */
export function manifestOf(directory: string): string {
  return join(directory, 'manifest');
}

export function hasManifest(directory: string): boolean {
  return existsSync(manifestOf(directory));
}
