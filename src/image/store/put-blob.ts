import { randomUUID } from 'node:crypto';
import { isCode } from '../../base/errors.js';
import type { CommitIngestOptions, ContentStore, Ingest } from '../../content/content-store.js';
import type { Digest } from '../../oci/digest.js';
import type { PullLease } from '../pull/pull-context.js';
import type { StoreParts } from './store-parts.js';

/** Ingests of builds begin with it. A build can't be resumed: `dropDeadBuilds` deletes those of killed processes. */
const BUILD_REF = 'build-';

interface Filled<T> {
  readonly result: T;
  readonly blob: CommitIngestOptions & { readonly digest: Digest };
}

/** Makes a blob in the content store, in an ingest that the lease holds. @param fill writes and hashes the bytes */
export async function putBlob<T>(
  { content }: StoreParts,
  lease: PullLease,
  fill: (ingest: Ingest) => Promise<Filled<T>>,
): Promise<T> {
  const ref = `${BUILD_REF}${randomUUID()}`;
  await lease.hold({ type: 'ingest', id: ref });
  lease.noteMade({ type: 'ingest', id: ref });
  await using ingest = await content.openIngest(ref);
  const { result, blob } = await fill(ingest);
  await lease.holdNew({ type: 'content', id: blob.digest });
  await ingest.commit({ ...blob, hashed: blob.digest });
  return result;
}

/** Deletes the ingests of builds whose process was killed. */
export async function dropDeadBuilds(content: ContentStore): Promise<void> {
  for (const { ref } of await content.ingests()) {
    if (!ref.startsWith(BUILD_REF)) continue;
    await content.abort(ref).catch((error: unknown) => {
      // Its build is running, or has just ended.
      if (!isCode(error, 'Unavailable', 'NotFound')) throw error;
    });
  }
}
