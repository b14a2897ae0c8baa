import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import type { MetadataStore, Value } from '../metadata/metadata-store.js';
import { type OverlaySupport, probeOverlay } from './overlay-support.js';

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
  if (known?.asked === asked) return { ...known.support, reason: undefined };
  const { reason, ...support } = await probeOverlay(snapshots);
  // Whoever can't remember finds it out again: nobody waits for the disk.
  if (support.supported)
    store
      .write((transaction) => transaction.put(KEY, { asked, support } as unknown as Value))
      .catch(() => {});
  return { reason, ...support };
}

/** All that the answer hangs on but the file system, which is always that of the root. */
function circumstances(): string {
  const capabilities = /^CapEff:.*$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[0];
  return [release(), process.geteuid!(), readFileSync('/proc/self/uid_map', 'latin1'), capabilities].join(
    ' ',
  );
}
