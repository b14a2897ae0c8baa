import {
  CONTAINERD,
  NEWEST_CONTAINERD,
  NEWEST_PATH,
  overlayerInto,
  plugin,
  pullPeers,
} from '../image/image-contenders.js';
import type { Contender } from '../measure.js';

/** With several ranges of a layer at once if the bytes come slowly. */
export const OWN = 'overlayer';
export const ONE_CONNECTION = 'overlayer, one connection a layer';
/** Bytes of the pieces in which containerd fetches a layer: 11.5 s by pieces of 8 MiB, 10.6 s of 16, 21 s of 1 or by one piece. */
const FETCH_BUFFER = 16 * 1024 ** 2;

/** An image from a registry into a store in memory. */
export function networkContenders(reference: string): Contender[] {
  const pull = (...flags: readonly string[]) =>
    overlayerInto('pull', '--plain-http', '--discard-blobs', ...flags, reference);
  return [
    { name: OWN, command: pull() },
    { name: ONE_CONNECTION, command: pull('--connections', '1') },
    {
      name: NEWEST_CONTAINERD,
      env: { PATH: NEWEST_PATH, CONTAINERD_FETCH_BUFFER: String(FETCH_BUFFER) },
      command: (dest) => [CONTAINERD, dest, 'pull', '--plain-http', '--snapshotter', 'overlayfs', reference],
    },
    plugin(`pull --plain-http --snapshotter overlayer ${reference}`),
    ...pullPeers(reference),
  ];
}
