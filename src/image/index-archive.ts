import type { FileHandle } from 'node:fs/promises';
import type { AbortableOptions } from '../base/abort.js';
import { BLOCK } from '../tar/block.js';
import { TarDecoder } from '../tar/decoder.js';
import { ARCHIVE_LIMITS, ArchiveMembers, isMemberFile } from './archive-members.js';

const WINDOW_BYTES = 64 * 1024;

/**
 * The members of an archive in a regular file, by its headers alone: the bodies are passed over, and later read where they
 * are.
 *
 * @param path leads to the same file
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
    if (bytesRead === 0) break;
    takeHeaders(decoder, window.subarray(0, bytesRead), size);
  }
  decoder.end();
  return members;
}

/** Decodes the headers in the window, up to a body that goes beyond it. */
function takeHeaders(decoder: TarDecoder, window: Buffer, size: number): void {
  const start = decoder.position;
  const end = start + window.length;
  while (decoder.position < end && !decoder.finished) {
    const at = decoder.position - start;
    decoder.write(window, at, Math.min(at + BLOCK, window.length));
    // A body that ends beyond the file is left to the decoder, which then says so.
    if (decoder.position + decoder.skippable <= size) decoder.skip();
  }
}
