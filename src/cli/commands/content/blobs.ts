import { once } from 'node:events';
import { type BlobHealth, type BlobInfo, type Digest, parseDigest, type Store } from '../../../index.js';
import { exitCode } from '../../exit-code.js';
import { abortOnSignals } from '../../interruption.js';
import { columns } from '../../render/columns.js';
import { formatBytes, formatMinute } from '../../render/format.js';
import { printResult } from '../../render/print-result.js';
import type { RootFlags } from '../../root-flags.js';
import { withExistingStore } from '../with-store.js';

export async function ls(flags: RootFlags): Promise<number> {
  return await withExistingStore(flags, async (store) => {
    const blobs = await listed(store);
    const rows = blobs.map(({ digest, size, createdAt, labels }) => [
      digest,
      formatBytes(size),
      formatMinute(createdAt),
      Object.entries(labels)
        .map(([name, value]) => `${name}=${value}`)
        .join(','),
    ]);
    printResult(flags, blobs, columns(['DIGEST', 'SIZE', 'CREATED', 'LABELS'], rows, { right: ['SIZE'] }));
  });
}

export async function get(digest: string, flags: RootFlags): Promise<number> {
  return await withExistingStore(flags, async ({ content }) => {
    for await (const chunk of content.read(parseDigest(digest)))
      if (!process.stdout.write(chunk)) await once(process.stdout, 'drain');
  });
}

/** @returns the exit code: `DataLoss` when one is damaged */
export async function verify(digests: readonly string[], flags: RootFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withExistingStore(flags, async (store) => {
    const wanted: readonly Digest[] =
      digests.length > 0 ? digests.map(parseDigest) : (await listed(store)).map(({ digest }) => digest);
    const found: ({ readonly digest: Digest } & BlobHealth)[] = [];
    for (const digest of wanted) found.push({ digest, ...(await store.content.verify(digest, { signal })) });
    const rows = found.map(({ digest, state }) => [digest, state]);
    printResult(flags, found, columns(['DIGEST', 'STATE'], rows));
    return found.every(({ state }) => state === 'whole') ? 0 : exitCode('DataLoss');
  });
}

export async function rm(digests: readonly string[], flags: RootFlags): Promise<number> {
  return await withExistingStore(flags, async ({ content }) => {
    for (const digest of digests) await content.delete(parseDigest(digest));
    printResult(flags, { removed: digests }, digests.map((digest) => `Removed ${digest}\n`).join(''));
  });
}

async function listed({ content }: Store): Promise<readonly BlobInfo[]> {
  const blobs: BlobInfo[] = [];
  for await (const blob of content.walk()) blobs.push(blob);
  return blobs;
}
