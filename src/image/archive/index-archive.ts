import type { FileHandle } from 'node:fs/promises';
import type { AbortableOptions } from '../../base/abort.js';
import { BLOCK } from '../../tar/block.js';
import { TarDecoder } from '../../tar/decoder.js';
import { ARCHIVE_LIMITS, ArchiveMembers, isMemberFile } from './archive-members.js';

/** Between two layers there are one or two headers. */
const WINDOW_BYTES = 16 * 1024;

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
    if (bytesRead === 0 || !takeHeaders(decoder, window.subarray(0, bytesRead), size)) break;
  }
  decoder.end(); // says what is missing, if something is
  await members.checkRepeated({ signal });
  return members;
}

/** Decodes the headers in the window, up to a body that goes beyond it. @returns false when one ends beyond the file */
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
