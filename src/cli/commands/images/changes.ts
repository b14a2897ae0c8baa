import { type CollectResult, displayPath, type Keeper } from '../../../index.js';
import type { RootFlags } from '../../flags/root-flags.js';
import { abortOnSignals } from '../../interruption.js';
import { counted, formatBytes } from '../../render/format.js';
import { imageDocument } from '../../render/image-document.js';
import { printResult } from '../../render/print-result.js';
import { withExistingStore } from '../with-store.js';

export async function tag(name: string, newName: string, flags: RootFlags): Promise<number> {
  return await withExistingStore(flags, async (store) => {
    const image = await store.images.tag(name, newName);
    printResult(flags, imageDocument(image), `Tagged ${displayPath(name)} as ${displayPath(image.name)}\n`);
  });
}

export async function rm(names: readonly string[], flags: RootFlags): Promise<number> {
  return await withExistingStore(flags, async (store) => {
    const removed: string[] = [];
    for (const name of names) {
      const image = await store.images.get(name);
      await store.images.remove(image.name);
      removed.push(image.name);
    }
    const { keepers: _, ...collected } = await store.images.prune();
    const text = removed.map((name) => `Removed ${displayPath(name)}\n`).join('');
    printResult(flags, { removed, collected }, `${text}${freed(collected)}`);
  });
}

export async function prune(flags: RootFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withExistingStore(flags, async (store) => {
    // Who asks for it wants the room, also of what an interrupted pull would go on with.
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
