import { expect } from 'vitest';
import type { Limits } from '../../src/base/limits.js';
import { OverlayerError } from '../../src/index.js';
import { TarDecoder } from '../../src/tar/decoder.js';
import type { TarEntry } from '../../src/tar/types.js';

export interface DecodedEntry extends TarEntry {
  readonly content: string;
}

/** All entries of an archive that comes in pieces of `step` bytes. Holes are spelled as NULs. */
export function decode(archive: Buffer, step = archive.length, limits?: Partial<Limits>): DecodedEntry[] {
  const entries: DecodedEntry[] = [];
  let current: TarEntry | undefined;
  let pieces: { readonly bytes: Buffer; readonly position: number }[] = [];
  const decoder = new TarDecoder(
    {
      entry(entry) {
        current = entry;
        pieces = [];
      },
      data: (bytes, start, end, position) =>
        void pieces.push({ bytes: Buffer.from(bytes.subarray(start, end)), position }),
      entryEnd() {
        const body = Buffer.alloc(current!.size);
        for (const { bytes, position } of pieces) body.set(bytes, position);
        entries.push({ ...current!, content: body.toString('latin1') });
      },
    },
    limits,
  );
  for (let at = 0; at < archive.length; at += step)
    decoder.write(archive, at, Math.min(at + step, archive.length));
  decoder.end();
  return entries;
}

/** The error an archive is refused with: the same however it is cut in pieces. */
export function refusal(archive: Buffer, limits?: Partial<Limits>): OverlayerError {
  const [first, ...others] = [archive.length, 512, 513, 97].map((step) => refusalAt(archive, step, limits));
  for (const other of others) expect(other.message).toBe(first!.message);
  return first!;
}

function refusalAt(archive: Buffer, step: number, limits: Partial<Limits> | undefined): OverlayerError {
  try {
    decode(archive, step, limits);
  } catch (error) {
    if (OverlayerError.is(error)) return error;
    throw error;
  }
  return expect.unreachable('the archive was accepted');
}
