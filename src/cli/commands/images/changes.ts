import { type CollectResult, displayPath, type Keeper } from '../../../index.js';
import { abortOnSignals, forEachName } from '../../failure.js';
import type { StoreFlags } from '../../flags/store-flags.js';
import { counted, formatBytes } from '../../render/format.js';
import { imageDocument } from '../../render/image.js';
import { printResult } from '../../render/print.js';
import { withExistingStore } from '../../with-root.js';

export async function tag(name: string, newName: string, flags: StoreFlags): Promise<number> {
  return await withExistingStore(flags, async (store) => {
    const image = await store.images.tag(name, newName);
    printResult(flags, imageDocument(image), `Tagged ${displayPath(name)} as ${displayPath(image.name)}\n`);
  });
}

export async function rm(names: readonly string[], flags: StoreFlags): Promise<number> {
  return await withExistingStore(flags, async (store) => {
    const { done: removed, code } = await forEachName(names, flags, async (given) => {
      const { name } = await store.images.get(given);
      await store.images.remove(name);
      return name;
    });
    if (removed.length === 0) {
      printResult(flags, { removed, collected: NOTHING }, '');
      return code;
    }
    const { keepers: _, ...collected } = await store.images.prune();
    const text = removed.map((name) => `Removed ${displayPath(name)}\n`).join('');
    printResult(flags, { removed, collected }, `${text}${freed(collected)}`);
    return code;
  });
}

const NOTHING: CollectResult = { blobs: [], ingests: [], snapshots: [], bytes: 0 };

export async function prune(flags: StoreFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withExistingStore(flags, async (store) => {
    // The user wants the space back, including that of interrupted pulls.
    const pruned = await store.images.prune({ ingestsIdleMs: 0, signal });
    printResult(flags, pruned, `${freed(pruned)}${pruned.keepers.map(keeperLine).join('')}`);
  });
}

function keeperLine({ type, id, process, blobs, snapshots, bytes }: Keeper): string {
  const who = {
    lease: `Lease ${displayPath(id)}${process === undefined ? '' : ` of process ${process}`}`,
    snapshot: `Snapshot ${displayPath(id)}`,
    blob: `Blob ${id}, by its label containerd.io/gc.root,`,
  }[type];
  const what = [
    ...(blobs.length === 0 ? [] : [counted(blobs.length, 'blob', 'blobs')]),
    ...(snapshots.length === 0 ? [] : [counted(snapshots.length, 'layer', 'layers')]),
  ];
  return `${who} keeps ${formatBytes(bytes)}: ${what.join(', ')}\n`;
}

function freed({ blobs, snapshots, ingests, bytes }: CollectResult): string {
  const parts = [
    counted(blobs.length, 'blob', 'blobs'),
    counted(snapshots.length, 'snapshot', 'snapshots'),
    ...(ingests.length === 0 ? [] : [counted(ingests.length, 'ingest', 'ingests')]),
  ];
  return `Freed ${formatBytes(bytes)}: ${parts.join(', ')}\n`;
}
