import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ErofsReader, walkErofs } from '../../src/erofs/index.js';
import { OverlayerError } from '../../src/index.js';
import { place } from '../helpers/mutations.js';
import { sampleImage, withChecksum } from './sample-image.js';

// A reader of any bytes ends, with a tree or with a typed error, after work that the size of the file bounds.

const IMAGE = sampleImage();
const METADATA = IMAGE.readUInt32LE(1024 + 0x28) * 512;
/** Reads of the source for each byte of the image. Each takes 4 KiB at most, of which an inode needs 64. */
const READS_OF_A_BYTE = 0.2;

const edit = fc.record({
  at: place,
  value: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 8 }),
    fc.constantFrom(...[[0], [0xff], [0, 0, 0, 0], [0xff, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0x7f]]),
  ),
});
const edits = fc.array(edit, { minLength: 1, maxLength: 4 });

/** Reads all that the image has. @returns the error */
function readAll(bytes: Buffer): unknown {
  let reads = 0;
  try {
    const image = new ErofsReader({
      size: bytes.length,
      read: (offset, length) => {
        reads += 1;
        expect(offset).toBeGreaterThanOrEqual(0);
        expect(offset + length).toBeLessThanOrEqual(bytes.length);
        return bytes.subarray(offset, offset + length);
      },
    });
    const part = Buffer.alloc(1000);
    for (const { inode } of walkErofs(image)) {
      image.xattrs(inode);
      if (inode.type === 'symlink') image.target(inode);
      if (inode.type === 'directory') image.lookup(inode, 'file');
      if (inode.type !== 'file') continue;
      image.read(inode, part, 0);
      for (const { offset, length } of image.extents(inode))
        expect(offset + length).toBeLessThanOrEqual(bytes.length);
    }
    return undefined;
  } catch (error) {
    if (!OverlayerError.is(error)) throw error;
    expect(['DataLoss', 'InvalidArgument', 'Unimplemented']).toContain(error.code);
    return error;
  } finally {
    expect(reads).toBeLessThan(bytes.length * READS_OF_A_BYTE);
  }
}

test('mutated metadata give a tree or a typed error', () => {
  fc.assert(
    fc.property(edits, fc.constantFrom('metadata' as const, 'superblock' as const), (changes, where) => {
      const image = Buffer.from(IMAGE);
      const [start, length] = where === 'metadata' ? [METADATA, image.length - METADATA] : [1024, 96];
      for (const { at, value } of changes)
        image.set(value, Math.min(start + Math.floor(at * length), image.length - 8));
      readAll(where === 'metadata' ? image : withChecksum(image));
    }),
    { numRuns: 1000 },
  );
});

test('a file that was cut off is refused', () => {
  fc.assert(
    fc.property(place, (at) => {
      expect(readAll(IMAGE.subarray(0, Math.floor(at * IMAGE.length)))).toBeInstanceOf(OverlayerError);
    }),
    { numRuns: 200 },
  );
});
