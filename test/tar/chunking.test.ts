import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TarDecoder } from '../../src/tar/decoder.js';
import type { TarEntry } from '../../src/tar/types.js';
import { SPARSE_FORMATS } from '../helpers/sparse-members.js';
import { dir, file, gnuLongName, pax, paxGlobal, symlink, tar, zeros } from '../helpers/tar-builder.js';

const FIXTURES = new URL('../../fixtures/tars/', import.meta.url);

/** What a decoder says of an archive, data put together per entry, up to and including its error. */
interface Account {
  readonly entries: readonly (TarEntry & { readonly data: string })[];
  readonly position: number;
  readonly dataAfterArchive: boolean;
  readonly error: string | undefined;
}

/** Cuts the archive at these places. */
function account(archive: Buffer, cuts: readonly number[]): Account {
  const entries: (TarEntry & { data: string })[] = [];
  let current: TarEntry | undefined;
  let data: string[] = [];
  const decoder = new TarDecoder({
    entry(entry) {
      current = entry;
      data = [];
    },
    data: (bytes, start, end, position) =>
      void data.push(`${position}:${Buffer.from(bytes.subarray(start, end)).toString('hex')}`),
    entryEnd: () => void entries.push({ ...current!, data: joinPieces(data) }),
  });
  let error: string | undefined;
  try {
    let at = 0;
    for (const cut of [...cuts, archive.length]) {
      // A copy each time: the decoder may not keep what it was given.
      const piece = Buffer.from(archive.subarray(at, cut));
      decoder.write(piece);
      piece.fill(0xaa);
      at = cut;
    }
    decoder.end();
  } catch (failure) {
    error = String(failure);
  }
  const { position, dataAfterArchive } = decoder;
  return { entries, position: error === undefined ? position : 0, dataAfterArchive, error };
}

/** `0:aabb` and `2:cc` are `0:aabbcc`: where the pieces were cut does not count. */
function joinPieces(pieces: readonly string[]): string {
  const joined: { start: number; hex: string }[] = [];
  for (const piece of pieces) {
    const [start, hex] = piece.split(':') as [string, string];
    const last = joined.at(-1);
    if (last !== undefined && last.start + last.hex.length / 2 === Number(start)) last.hex += hex;
    else joined.push({ start: Number(start), hex });
  }
  return joined.map(({ start, hex }) => `${start}:${hex}`).join(' ');
}

const islands = Array.from({ length: 30 }, (_, index) => [index * 700, `island ${index}`] as const);
const features = tar(
  paxGlobal({ uid: '5' }),
  dir('d/'),
  pax({ path: 'd/long'.repeat(40), mtime: '1.5' }),
  file('cut', 'x'.repeat(1500)),
  gnuLongName('d/gnu'.repeat(60)),
  file('cut', 'y'),
  symlink('s', 'd'),
  file('empty'),
  ...Object.values(SPARSE_FORMATS).map((sparse) => sparse('sparse', 30_000, islands)),
  zeros(3),
);
const broken = Buffer.concat([features.subarray(0, -1536), Buffer.alloc(512, 'junk'), zeros(2)]);

const archives: readonly (readonly [name: string, bytes: Buffer])[] = [
  ['all features', features],
  ['a broken archive', broken],
  ['cut off', features.subarray(0, 5000)],
  ['data after the end', Buffer.concat([features, Buffer.from('after')])],
  ...readdirSync(FIXTURES)
    .filter((name) => name.endsWith('.tar'))
    .map((name) => [name, readFileSync(new URL(name, FIXTURES))] as const),
];

describe('however the bytes are cut, the account is the same', () => {
  test.each(archives)('%s', (_name, archive) => {
    const whole = account(archive, []);
    const cuts = fc
      .uniqueArray(fc.integer({ min: 0, max: archive.length }), { maxLength: 40 })
      .map((places) => places.sort((a, b) => a - b));
    fc.assert(
      fc.property(cuts, (places) => {
        expect(account(archive, places)).toEqual(whole);
      }),
      { numRuns: 30 },
    );
    for (const step of [1, 511, 513]) {
      const places = Array.from(
        { length: Math.floor(archive.length / step) },
        (_, index) => (index + 1) * step,
      );
      expect(account(archive, places)).toEqual(whole);
    }
  });
});
