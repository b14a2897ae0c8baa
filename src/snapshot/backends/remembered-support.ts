import { release } from 'node:os';
import { OverlayerError } from '../../base/errors.js';
import type { MetadataStore, Value } from '../../metadata/metadata-store.js';
import { type OverlaySupport, probeOverlay } from '../../mount/overlay-support.js';
import { readOwnProc } from '../../system/own-proc.js';

const KEY = ['overlay support'];

interface Remembered {
  readonly asked: string;
  readonly support: OverlaySupport;
}

/**
 * What `probeOverlay` finds out, which is remembered: it takes 10 ms, or 50. Found out anew under another kernel, or with
 * other privileges; and where overlayfs did not work, every time.
 */
export async function overlaySupport(store: MetadataStore, snapshots: string): Promise<OverlaySupport> {
  const asked = circumstances();
  const known = store.read((transaction) => transaction.get(KEY)) as unknown as Remembered | undefined;
  const remembered = known && { ...known.support, reason: undefined };
  if (known?.asked === asked) return remembered!;
  const { reason, ...support } = await probe(snapshots, remembered);
  // Whoever can't remember finds it out again: nobody waits for the disk.
  if (support.supported)
    store
      .write((transaction) => transaction.put(KEY, { asked, support } as unknown as Value))
      .catch(() => {});
  return { reason, ...support };
}

/** On a read-only file system nothing can be tried out; what is there can be mounted to be read, as it was elsewhere. */
async function probe(snapshots: string, remembered: OverlaySupport | undefined): Promise<OverlaySupport> {
  try {
    return await probeOverlay(snapshots);
  } catch (error) {
    if (remembered === undefined || !OverlayerError.is(error) || error.errno !== 'EROFS') throw error;
    return remembered;
  }
}

/** All that the answer hangs on but the file system, which is always that of the root. */
function circumstances(): string {
  const rights = readOwnProc('status')?.match(/^(?:CapEff|Seccomp):.*$/gm) ?? [];
  return [release(), process.geteuid!(), readOwnProc('uid_map'), ...rights].join(' ');
}
