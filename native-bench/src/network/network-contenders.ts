import {
  NEWEST_PATH,
  newestContainerd,
  overlayerInto,
  plugin,
  pullPeers,
} from '../image/image-contenders.js';
import type { Contender } from '../measure.js';

/** It fetches several ranges of a layer at once if the bytes come slowly. */
export const OWN = 'overlayer';
export const ONE_CONNECTION = 'overlayer, one connection a layer';
/** Bytes of the pieces in which containerd fetches a layer. 8 MiB take 11.5 s, 16 MiB 10.6 s, 1 MiB and no pieces 21 s. */
const FETCH_BUFFER = 16 * 1024 ** 2;

/** An image from a registry into a store in memory. */
export function networkContenders(reference: string): Contender[] {
  const env = { PATH: NEWEST_PATH, CONTAINERD_FETCH_BUFFER: String(FETCH_BUFFER) };
  const pull = (...flags: readonly string[]) =>
    overlayerInto('pull', '--plain-http', '--discard-blobs', ...flags, reference);
  return [
    { name: OWN, command: pull() },
    { name: ONE_CONNECTION, command: pull('--connections', '1') },
    { ...newestContainerd('pull', '--plain-http', '--snapshotter', 'overlayfs', reference), env },
    { ...plugin(`pull --plain-http --snapshotter overlayer ${reference}`), env },
    ...pullPeers(reference),
  ];
}
