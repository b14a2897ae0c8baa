import type { FileHandle } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import type { AbortableOptions } from '../../base/abort.js';
import type { ByteSource } from '../../base/byte-source.js';
import { OverlayerError } from '../../base/errors.js';
import { plainBytes } from '../../compression/plain-bytes.js';
import type { Digest } from '../../oci/digest.js';
import { BLOCK } from '../../tar/block.js';
import { TarDecoder } from '../../tar/decoder.js';
import { readTar, type TarEntryReader } from '../../tar/reader.js';
import type { TarEntry } from '../../tar/types.js';
import type { LocalFile } from '../source/local-images.js';
import { ARCHIVE_LIMITS, memberName } from './archive-file.js';
import { ArchiveMembers, isMemberFile } from './archive-members.js';

/** One or two headers stand between two layers. */
const WINDOW_BYTES = 16 * 1024;

/**
 * Lists the members of an archive in a regular file. Reads the headers only; bodies are read in place later.
 *
 * @param path a path of the same file
 * @throws OverlayerError as `TarDecoder`
 */
export async function indexArchive(
  handle: FileHandle,
  path: string,
  { signal }: AbortableOptions = {},
): Promise<ArchiveMembers> {
  const members = new ArchiveMembers();
  const { size } = await handle.stat();
  const decoder = new TarDecoder(
    {
      entry(entry) {
        if (!isMemberFile(entry)) members.addLink(entry);
        else members.addFile(entry, { bytes: { path, offset: decoder.position, length: entry.size } });
      },
      data() {},
      entryEnd() {},
    },
    ARCHIVE_LIMITS,
  );
  const window = Buffer.alloc(WINDOW_BYTES);
  while (!decoder.finished) {
    signal?.throwIfAborted();
    const { bytesRead } = await handle.read(window, 0, WINDOW_BYTES, decoder.position);
    if (bytesRead === 0 || !takeHeaders(decoder, window.subarray(0, bytesRead), size)) break;
  }
  decoder.end(); // throws when the archive is truncated
  await members.checkRepeated({ signal });
  return members;
}

/** Decodes the headers in the window, until a body passes its end. @returns false when a body passes the end of the file */
function takeHeaders(decoder: TarDecoder, window: Buffer, size: number): boolean {
  const start = decoder.position;
  while (decoder.position < start + window.length && !decoder.finished) {
    const at = decoder.position - start;
    decoder.write(window, at, Math.min(at + BLOCK, window.length));
    if (decoder.position + decoder.skippable > size) return false;
    decoder.skip();
  }
  return true;
}

/** Members up to this size stay in memory, up to `MEMORY_BYTES` together. */
const SMALL_BYTES = 1024 ** 2;
const MEMORY_BYTES = 32 * 1024 ** 2;

/** Keeps the large members of an archive that is a stream, or is compressed as a whole. */
export interface MemberStore {
  /** @throws OverlayerError `DataLoss` for a blob that has another digest than its name */
  keep(member: TarEntryReader): Promise<LocalFile>;
}

/**
 * Reads the members of an archive from a stream, compressed or not. Large members go into `store`; small ones stay in
 * memory.
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

/** The digest of a blob in an OCI layout. */
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
