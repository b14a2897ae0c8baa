import { join } from 'node:path';
import {
  CONTAINERD,
  importPeers,
  inTwoHalves,
  NEWEST_CONTAINERD,
  NEWEST_PATH,
  overlayerInto,
  sideBySide,
} from '../image/image-contenders.js';
import type { Layer } from '../inputs.js';
import type { Contender } from '../measure.js';
import { MKFS_EROFS } from '../prerequisites.js';
import { mkfsFull, mkfsIndex, OWN } from './file-contenders.js';

export const OWN_OVERLAY = 'overlayer, overlay backend';
const NEWEST_CONTAINERD_EROFS = 'newest containerd, its erofs snapshotter';
export const MKFS_PIPELINES = [
  'mkfs.erofs --tar=f, two side by side',
  'mkfs.erofs --tar=i, two side by side',
] as const;

/** A whole image into a store of EROFS files, and into those of the others; all durable. */
export function erofsImageContenders(layout: string, archive: string, layers: readonly Layer[]): Contender[] {
  const newest = (name: string, snapshotter: string, differ: string): Contender => ({
    name,
    env: { PATH: `${MKFS_EROFS}:${NEWEST_PATH}`, CONTAINERD_DIFFER: differ },
    command: (dest) => [CONTAINERD, dest, 'import', '--local', '--snapshotter', snapshotter, archive],
  });
  const mkfs = (name: string, make: (gzip: string, file: string) => string): Contender => ({
    name,
    command: (dest) =>
      inTwoHalves(dest, layers, (layer, at) => make(layer.file('gzip'), join(dest, `${at}.erofs`))),
  });
  const into = (backend: string) =>
    overlayerInto('import', '--name', 'image', '--backend', backend, '--discard-blobs', layout);
  return [
    { name: OWN, command: into('erofs') },
    { name: OWN_OVERLAY, command: into('overlay') },
    newest(NEWEST_CONTAINERD, 'overlayfs', 'walking'),
    newest(NEWEST_CONTAINERD_EROFS, 'erofs', 'erofs'),
    ...importPeers(layout, archive),
    mkfs(MKFS_PIPELINES[0], mkfsFull),
    mkfs(MKFS_PIPELINES[1], mkfsIndex),
    sideBySide(layers),
  ];
}
