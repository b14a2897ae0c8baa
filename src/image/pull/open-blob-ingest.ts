import type { Ingest, OpenIngestOptions } from '../../content/content-store.js';
import type { PullContext } from './pull-context.js';

/**
 * Opens an ingest while nobody else has it: whoever fetches the same blob, in this process or another, waits.
 *
 * @throws OverlayerError `AlreadyExists` when the blob of `options.digest` is there
 */
export async function openBlobIngest<T>(
  { parts: { content, snapshots }, lease, signal }: PullContext,
  ref: string,
  options: OpenIngestOptions,
  use: (ingest: Ingest) => Promise<T>,
): Promise<T> {
  return await snapshots.withLock(
    ref,
    async () => {
      await lease.hold({ type: 'ingest', id: ref });
      const ingest = await content.openIngest(ref, options);
      lease.noteMade({ type: 'ingest', id: ref });
      try {
        return await use(ingest);
      } finally {
        await ingest.close();
      }
    },
    { signal },
  );
}
