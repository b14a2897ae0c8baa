import { buffer } from 'node:stream/consumers';
import type { AbortableOptions } from '../../base/abort.js';
import type { ByteSource } from '../../base/byte-source.js';
import { OverlayerError } from '../../base/errors.js';
import { plainBytes } from '../../compression/plain-bytes.js';
import type { Digest } from '../../oci/digest.js';
import { readTar, type TarEntryReader } from '../../tar/reader.js';
import type { TarEntry } from '../../tar/types.js';
import type { StoredFile } from '../source/stored-file.js';
import { ARCHIVE_LIMITS, ArchiveMembers, isMemberFile, memberName } from './archive-members.js';

/** Members up to this size stay in memory, until all of them together reach the bound. */
const SMALL_BYTES = 1024 ** 2;
const MEMORY_BYTES = 32 * 1024 ** 2;

/** Where the large members of an archive are kept that is a stream, or compressed as a whole. */
export interface MemberStore {
  /** @throws OverlayerError `DataLoss` for a blob that has another digest than its name */
  keep(member: TarEntryReader): Promise<StoredFile>;
}

/**
 * The members of an archive that comes as a stream, plain or compressed. What is large goes into `store` on its way; what
 * is small stays in memory.
 *
 * @throws OverlayerError as `readTar`, `plainBytes` and `store`
 */
export async function ingestArchive(
  source: ByteSource,
  store: MemberStore,
  { signal }: AbortableOptions,
): Promise<ArchiveMembers> {
  const members = new ArchiveMembers();
  let memory = MEMORY_BYTES;
  for await (const reader of readTar(plainBytes(source, { signal }), { limits: ARCHIVE_LIMITS, signal })) {
    const { entry } = reader;
    if (!isMemberFile(entry)) {
      members.addLink(entry);
      continue;
    }
    const keep = entry.size <= SMALL_BYTES && entry.size <= memory;
    if (keep) memory -= entry.size;
    members.addFile(entry, keep ? { bytes: await buffer(reader.body()) } : await store.keep(reader));
  }
  await members.checkRepeated({ signal });
  return members;
}

/** Of a blob in an OCI layout. */
export function digestOfMember(entry: TarEntry): Digest | undefined {
  const [, hex] = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(memberName(entry) ?? '') ?? [];
  return hex === undefined ? undefined : `sha256:${hex}`;
}

/** @throws OverlayerError `DataLoss` */
export function checkMember(entry: TarEntry, actual: Digest): void {
  const expected = digestOfMember(entry);
  if (expected === undefined || expected === actual) return;
  const details = { expected, actual, entry: entry.path, offset: entry.offset };
  throw new OverlayerError('DataLoss', `blob ${expected} is damaged`, details);
}
