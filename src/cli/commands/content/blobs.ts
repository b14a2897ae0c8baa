import { once } from 'node:events';
import { type BlobHealth, type BlobInfo, type Digest, parseDigest, type Store } from '../../../index.js';
import { exitCode } from '../../exit-code.js';
import type { RootFlags } from '../../flags/root-flags.js';
import { abortOnSignals } from '../../interruption.js';
import { columns } from '../../render/columns.js';
import { formatBytes, formatMinute } from '../../render/format.js';
import { type ListFlags, printList } from '../../render/print-list.js';
import { printResult } from '../../render/print-result.js';
import { withExistingStore } from '../with-store.js';

export async function ls(flags: RootFlags & ListFlags): Promise<number> {
  return await withExistingStore(flags, async (store) => {
    printList(flags, await listed(store, flags.filter), {
      head: ['DIGEST', 'SIZE', 'CREATED', 'LABELS'],
      right: ['SIZE'],
      row: ({ digest, size, createdAt, labels }) => [
        digest,
        formatBytes(size),
        formatMinute(createdAt),
        Object.entries(labels)
          .map(([name, value]) => `${name}=${value}`)
          .join(','),
      ],
      key: ({ digest }) => digest,
      document: (blob) => blob,
    });
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

async function listed({ content }: Store, filters?: readonly string[]): Promise<readonly BlobInfo[]> {
  const blobs: BlobInfo[] = [];
  for await (const blob of content.walk({ filters })) blobs.push(blob);
  return blobs;
}
