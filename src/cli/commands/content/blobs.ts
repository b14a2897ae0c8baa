import { once } from 'node:events';
import {
  type BlobHealth,
  type BlobInfo,
  type ContentStore,
  type Digest,
  displayPath,
  OverlayerError,
  parseDigest,
  type Store,
} from '../../../index.js';
import { exitCode } from '../../exit-code.js';
import { abortOnSignals, forEachName } from '../../failure.js';
import type { IngestFlags } from '../../flags/image-flags.js';
import type { ListFlags, StoreFlags } from '../../flags/store-flags.js';
import { closeLayer, openLayer } from '../../input.js';
import { refuseTerminal } from '../../output.js';
import { formatBytes, formatMinute } from '../../render/format.js';
import { columns, printList } from '../../render/list.js';
import { printResult } from '../../render/print.js';
import { standardOutput } from '../../standard-streams.js';
import { withExistingStore, withStore } from '../../with-root.js';
import { checkFilters } from '../check-filters.js';

const FIELDS = { digest: 'any', size: 'any', labels: 'labels' } as const;

export async function ls(flags: ListFlags): Promise<number> {
  return await withExistingStore(flags, async (store) => {
    checkFilters(flags.filter, FIELDS);
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

export async function get(digest: string, flags: StoreFlags): Promise<number> {
  return await withExistingStore(flags, async ({ content }) => {
    refuseTerminal('redirect it: overlayer content get DIGEST > FILE');
    const { stream } = standardOutput;
    for await (const chunk of content.read(parseDigest(digest)))
      if (!stream.write(chunk)) await once(stream, 'drain');
  });
}

/** @returns the exit code: that of `DataLoss` if a blob is damaged */
export async function verify(digests: readonly string[], flags: StoreFlags): Promise<number> {
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

export async function rm(digests: readonly string[], flags: StoreFlags): Promise<number> {
  return await withExistingStore(flags, async ({ content }) => {
    const { done: removed, code } = await forEachName(digests, flags, async (digest) => {
      await content.delete(parseDigest(digest));
      return digest;
    });
    printResult(flags, { removed }, removed.map((digest) => `Removed ${displayPath(digest)}\n`).join(''));
    return code;
  });
}

export async function ingest(ref: string, flags: IngestFlags): Promise<number> {
  return await withStore(flags, async ({ content }) => {
    const { source } = openLayer('-');
    try {
      const blob = await ingestStream(content, ref, source as AsyncIterable<Uint8Array>, flags);
      printResult(flags, blob, `${blob.digest} (${formatBytes(blob.size)})\n`);
    } catch (error) {
      // Wrong bytes must not stay: the right ones could not be ingested under the same REF.
      if (OverlayerError.is(error) && error.expected !== undefined) await content.abort(ref).catch(() => {});
      throw error;
    } finally {
      closeLayer(source);
    }
  });
}

async function ingestStream(
  content: ContentStore,
  ref: string,
  source: AsyncIterable<Uint8Array>,
  { expectedDigest, expectedSize, allowEmpty, label }: IngestFlags,
): Promise<BlobInfo> {
  const digest = expectedDigest === undefined ? undefined : parseDigest(expectedDigest);
  const expected = { digest, size: expectedSize };
  await using opened = await content.openIngest(ref, expected);
  // An earlier run may have written the first bytes.
  let skip = opened.offset;
  for await (const chunk of source) {
    const fresh = chunk.subarray(Math.min(skip, chunk.length));
    skip -= chunk.length - fresh.length;
    if (fresh.length > 0) await opened.write(fresh);
  }
  if (skip > 0)
    throw new OverlayerError('FailedPrecondition', `Ingest "${ref}" has more bytes than standard input`, {
      hint: 'overlayer content prune deletes old ingests',
    });
  if (opened.offset === 0 && digest === undefined && !allowEmpty) {
    await opened.close();
    await content.abort(ref);
    throw new OverlayerError('DataLoss', 'Standard input is empty', {
      hint: 'the command before the pipe may have failed; --allow-empty accepts empty input',
    });
  }
  return await opened.commit({ ...expected, labels: label });
}

async function listed({ content }: Store, filters?: readonly string[]): Promise<readonly BlobInfo[]> {
  const blobs: BlobInfo[] = [];
  for await (const blob of content.walk({ filters })) blobs.push(blob);
  return blobs;
}
