import { type CollectResult, displayPath } from '../../../index.js';
import { counted, formatBytes } from '../../render/format.js';
import { imageDocument } from '../../render/image-document.js';
import { printResult } from '../../render/print-result.js';
import type { RootFlags } from '../../root-flags.js';
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
    const collected = await store.images.prune();
    const text = removed.map((name) => `Removed ${displayPath(name)}\n`).join('');
    printResult(flags, { removed, collected }, `${text}${freed(collected)}`);
  });
}

export async function prune(flags: RootFlags): Promise<number> {
  return await withExistingStore(flags, async (store) => {
    const collected = await store.images.prune();
    printResult(flags, collected, freed(collected));
  });
}

function freed({ blobs, snapshots, ingests, bytes }: CollectResult): string {
  const parts = [
    counted(blobs.length, 'blob', 'blobs'),
    counted(snapshots.length, 'snapshot', 'snapshots'),
    ...(ingests.length === 0 ? [] : [counted(ingests.length, 'ingest', 'ingests')]),
  ];
  return `Freed ${formatBytes(bytes)}: ${parts.join(', ')}\n`;
}
