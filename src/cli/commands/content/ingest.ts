import {
  type BlobInfo,
  type ContentStore,
  type Labels,
  OverlayerError,
  parseDigest,
} from '../../../index.js';
import { closeLayer, openLayer } from '../../flags/layer-source.js';
import type { RootFlags } from '../../flags/root-flags.js';
import { formatBytes } from '../../render/format.js';
import { printResult } from '../../render/print-result.js';
import { withStore } from '../with-store.js';

export interface IngestFlags extends RootFlags {
  readonly expectedDigest?: string;
  readonly expectedSize?: number;
  readonly allowEmpty?: true;
  readonly label?: Labels;
}

export async function ingest(ref: string, flags: IngestFlags): Promise<number> {
  return await withStore(flags, async ({ content }) => {
    const { source } = openLayer('-');
    try {
      const blob = await ingestStream(content, ref, source as AsyncIterable<Uint8Array>, flags);
      printResult(flags, blob, `${blob.digest} (${formatBytes(blob.size)})\n`);
    } catch (error) {
      // Bytes that can't become what is expected would be in the way of those that can.
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
  // What an earlier run has brought is in there.
  let skip = opened.offset;
  for await (const chunk of source) {
    const fresh = chunk.subarray(Math.min(skip, chunk.length));
    skip -= chunk.length - fresh.length;
    if (fresh.length > 0) await opened.write(fresh);
  }
  if (skip > 0)
    throw new OverlayerError('FailedPrecondition', `Ingest "${ref}" has more bytes than standard input`, {
      hint: 'overlayer content prune takes old ingests away',
    });
  if (opened.offset === 0 && digest === undefined && !allowEmpty) {
    await opened.close();
    await content.abort(ref);
    throw new OverlayerError('DataLoss', 'Standard input is empty', {
      hint: 'what should have written it has failed, perhaps; --expected-digest or --allow-empty, if it has to be so',
    });
  }
  return await opened.commit({ ...expected, labels: label });
}
