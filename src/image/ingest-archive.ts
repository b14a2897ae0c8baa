import { createHash, randomUUID } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import type { AbortableOptions } from '../base/abort.js';
import type { ByteSource } from '../base/byte-source.js';
import { OverlayerError } from '../base/errors.js';
import { plainBytes } from '../compression/plain-bytes.js';
import type { ContentStore, Ingest } from '../content/content-store.js';
import type { Digest } from '../oci/digest.js';
import { readTar, type TarEntryReader } from '../tar/reader.js';
import { ARCHIVE_LIMITS, ArchiveMembers, isMemberFile, memberName } from './archive-members.js';
import type { StoredFile } from './stored-file.js';

/** Members up to this size stay in memory, until all of them together reach the bound. */
const SMALL_BYTES = 1024 ** 2;
const MEMORY_BYTES = 32 * 1024 ** 2;

export interface IngestArchiveOptions extends AbortableOptions {
  /** Where blobs are kept of an archive that is a stream, or compressed as a whole. */
  readonly content?: ContentStore | undefined;
  /** Id of a lease that keeps those blobs from the garbage collection. @default none: then nobody may collect meanwhile */
  readonly lease?: string | undefined;
}

/**
 * The members of an archive that comes as a stream, plain or compressed. Its blobs go into the content store on their way;
 * what is small stays in memory.
 *
 * @throws OverlayerError as `readTar` and `plainBytes`; `DataLoss` for a blob that has another digest than its name
 */
export async function ingestArchive(
  source: ByteSource,
  { content, lease, signal }: IngestArchiveOptions,
): Promise<ArchiveMembers> {
  const members = new ArchiveMembers();
  const refs = `archive-${randomUUID()}`;
  let memory = MEMORY_BYTES;
  for await (const reader of readTar(plainBytes(source, { signal }), { limits: ARCHIVE_LIMITS, signal })) {
    const { entry } = reader;
    if (!isMemberFile(entry)) {
      members.addLink(entry);
      continue;
    }
    const keep = entry.size <= SMALL_BYTES && entry.size <= memory;
    if (keep) memory -= entry.size;
    members.addFile(
      entry,
      keep
        ? { bytes: await buffer(reader.body()) }
        : await ingest(reader, `${refs}-${entry.offset}`, content, lease),
    );
  }
  return members;
}

async function ingest(
  reader: TarEntryReader,
  ref: string,
  content: ContentStore | undefined,
  lease: string | undefined,
): Promise<StoredFile> {
  if (content === undefined)
    throw new OverlayerError('FailedPrecondition', 'blobs of a stream have to go through a content store', {
      hint: 'decompress the archive into a file first, or open a content store',
    });
  const expected = digestOfName(memberName(reader.entry)!);
  if (lease !== undefined) {
    await content.leases.add(lease, { type: 'ingest', id: ref });
    if (expected !== undefined) await content.leases.add(lease, { type: 'content', id: expected });
  }
  const digest = await store(reader, content, ref, expected);
  return { digest, bytes: { path: await content.path(digest), offset: 0, length: reader.entry.size } };
}

/** @returns the digest of the blob, which is in the store now, or was before */
async function store(
  { entry, body }: TarEntryReader,
  content: ContentStore,
  ref: string,
  expected: Digest | undefined,
): Promise<Digest> {
  const ingest = await openIngest(content, ref, entry.size, expected);
  if (ingest === undefined) return expected!;
  try {
    const sha256 = createHash('sha256');
    for await (const chunk of body()) {
      sha256.update(chunk);
      await ingest.write(chunk);
    }
    const hashed: Digest = `sha256:${sha256.digest('hex')}`;
    if (expected !== undefined && expected !== hashed)
      throw new OverlayerError('DataLoss', `blob ${expected} is damaged`, {
        expected,
        actual: hashed,
        entry: entry.path,
        offset: entry.offset,
      });
    await ingest.commit({ hashed });
    return hashed;
  } catch (error) {
    await ingest.close();
    await content.abort(ref).catch(() => {}); // the first error tells more
    throw error;
  }
}

/** Undefined when the blob is there. */
async function openIngest(
  content: ContentStore,
  ref: string,
  size: number,
  digest: Digest | undefined,
): Promise<Ingest | undefined> {
  try {
    return await content.openIngest(ref, { size, digest });
  } catch (error) {
    if (OverlayerError.is(error) && error.code === 'AlreadyExists') return undefined;
    throw error;
  }
}

/** Of a blob in an OCI layout. */
function digestOfName(name: string): Digest | undefined {
  const [, hex] = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name) ?? [];
  return hex === undefined ? undefined : `sha256:${hex}`;
}
