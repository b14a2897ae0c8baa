import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { AbortableOptions } from '../../base/abort.js';
import { SUPERBLOCK_OFFSET } from '../../erofs/format.js';
import { readMergedHead } from '../../erofs/merged-image.js';

/**
 * Reads the file of `mergeErofsLayers` in the form `metadata`.
 *
 * @returns what is damaged; undefined when every byte is as it was written
 * @throws `signal.reason`
 */
export async function findMergedDamage(
  path: string,
  { signal }: AbortableOptions = {},
): Promise<string | undefined> {
  const file = await open(path, 'r');
  try {
    const first = Buffer.alloc(SUPERBLOCK_OFFSET);
    await file.read(first, 0, first.length, 0);
    const head = readMergedHead(first);
    if (head === undefined) return 'it has no head of a merged image';
    const { size } = await file.stat();
    if (size !== head.bytes) return `it has ${size} bytes, and its head says ${head.bytes}`;
    const hash = createHash('sha256');
    const rest = file.createReadStream({ start: SUPERBLOCK_OFFSET, autoClose: false, signal });
    for await (const piece of rest) hash.update(piece as Buffer);
    return hash.digest().equals(head.digest) ? undefined : 'it does not have the checksum of its head';
  } catch (error) {
    signal?.throwIfAborted();
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EIO') return "it can't be read (EIO)";
    throw error;
  } finally {
    await file.close();
  }
}
