import { dirname } from 'node:path';
import { rewriteRoot } from '../../layer/manifest/write-manifest.js';
import { copyAttributes } from '../../rootfs/trees/copy-up.js';
import type { System } from '../../system/system.js';
import { hasManifest, manifestOf } from '../store/snapshot-tree.js';

/** Owner, mode, extended attributes and times. */
export function copyRoot(system: System, from: number, to: number): void {
  const stat = system.stat(from);
  copyAttributes(system, from, to, stat);
  system.setTimes(to, stat);
}

/** `copyRoot`, told to the manifest too. */
export function copyRecordedRoot(system: System, from: number, to: number, directory: string): void {
  copyRoot(system, from, to);
  if (hasManifest(dirname(directory))) rewriteRoot(system, manifestOf(dirname(directory)), to);
}
