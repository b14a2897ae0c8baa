import type { ContentStore, IngestInfo } from '../../content/content-store.js';
import { filterBy } from '../../metadata/filter-by.js';
import { parseDigest } from '../../oci/digest.js';
import { required, toBlobInfo, toIngestStatus } from '../convert.js';
import type { CallContext } from '../grpc/calls.js';
import { batches, type Methods } from '../grpc/handlers.js';
import type { EmptyMessage } from '../messages.js';
import type {
  DigestRequest,
  InfoResponse,
  ListContentRequest,
  ListContentResponse,
  ListStatusesResponse,
  ReadRequest,
  ReadResponse,
  RefRequest,
  StatusResponse,
  UpdateContentRequest,
  WriteRequest,
} from './content-messages.js';
import { ContentWriters } from './content-writers.js';

/**
 * `containerd.services.content.v1.Content`, which serves a `ContentStore`. All namespaces share its blobs, as in
 * containerd's own plugin. containerd's metadata store decides which namespace sees which blob.
 */
export function contentService(content: ContentStore): Methods {
  const writers = new ContentWriters(content);
  return {
    async Info({ digest }: DigestRequest): Promise<InfoResponse> {
      return { info: toBlobInfo(await content.stat(parseDigest(digest))) };
    },

    async Update({ info, updateMask }: UpdateContentRequest): Promise<InfoResponse> {
      const { digest, labels } = required(info, 'info');
      return {
        info: toBlobInfo(
          await content.update(parseDigest(digest), { labels }, { fieldpaths: updateMask?.paths }),
        ),
      };
    },

    async *List({ filters }: ListContentRequest): AsyncGenerator<ListContentResponse> {
      for await (const infos of batches(content.walk({ filters }))) yield { info: infos.map(toBlobInfo) };
    },

    async Delete({ digest }: DigestRequest): Promise<EmptyMessage> {
      await content.delete(parseDigest(digest));
      return {};
    },

    async *Read(
      { digest, offset, size }: ReadRequest,
      { signal }: CallContext,
    ): AsyncGenerator<ReadResponse> {
      const length = size === 0 ? undefined : size;
      let at = offset;
      for await (const data of content.read(parseDigest(digest), { offset, length, signal })) {
        yield { offset: at, data };
        at += data.length;
      }
    },

    async Status({ ref }: RefRequest): Promise<StatusResponse> {
      return { status: toIngestStatus(await content.ingest(ref)) };
    },

    async ListStatuses({ filters }: ListContentRequest): Promise<ListStatusesResponse> {
      return { statuses: (await listIngests(content, filters)).map(toIngestStatus) };
    },

    Write(requests: AsyncIterable<WriteRequest>, { signal }: CallContext) {
      return writers.write(requests, signal);
    },

    async Abort({ ref }: RefRequest): Promise<EmptyMessage> {
      await writers.abort(ref);
      return {};
    },
  };
}

/** Filters know only the field `ref`. @throws OverlayerError `InvalidArgument` (an invalid filter) */
async function listIngests(
  content: ContentStore,
  filters: readonly string[],
): Promise<readonly IngestInfo[]> {
  const passes = await filterBy(filters);
  const ingests = await content.ingests();
  return ingests.filter(({ ref }) => passes(([field]) => (field === 'ref' ? ref : undefined)));
}
