import { expect, test } from 'vitest';
import { TarDecoder } from '../../src/tar/decoder.js';
import type { TarEntry } from '../../src/tar/types.js';
import { decode } from '../helpers/decode.js';
import { REAL_LAYERS } from '../helpers/real-layers.js';
import { SPARSE_FORMATS } from '../helpers/sparse-members.js';
import { file, gnuLongName, pax, paxGlobal, tar } from '../helpers/tar-builder.js';

/** The entries by their headers alone: of a body, the decoder sees at most `seen` bytes. */
function headers(archive: Buffer, seen = 0): TarEntry[] {
  const entries: TarEntry[] = [];
  const decoder = new TarDecoder({ entry: (entry) => entries.push(entry), data() {}, entryEnd() {} });
  while (!decoder.finished && decoder.position < archive.length) {
    decoder.write(archive, decoder.position, Math.min(decoder.position + 512, archive.length));
    if (decoder.skippable === 0) continue;
    decoder.write(archive, decoder.position, decoder.position + Math.min(seen, decoder.skippable));
    decoder.skip();
  }
  decoder.end();
  return entries;
}

/** As `headers`, but asks to skip after every `step` bytes, whatever the decoder is at. */
function skipAlways(archive: Buffer, step: number): TarEntry[] {
  const entries: TarEntry[] = [];
  const decoder = new TarDecoder({ entry: (entry) => entries.push(entry), data() {}, entryEnd() {} });
  while (!decoder.finished && decoder.position + step <= archive.length) {
    const position = decoder.position + step;
    decoder.write(archive, decoder.position, position);
    decoder.skip();
    expect(decoder.position).toBeGreaterThanOrEqual(position);
  }
  decoder.end();
  return entries;
}

test.each(REAL_LAYERS)('%s: the same entries without the bodies', (_, archive) => {
  const all = decode(archive).map(({ content: _, ...entry }) => entry);
  expect(headers(archive)).toEqual(all);
  expect(skipAlways(archive, 512)).toEqual(all);
});

test('in extended headers and sparse maps there is nothing to skip', () => {
  for (const archive of [
    tar(pax({ path: 'a'.repeat(900) }), file('cut', 'x')),
    tar(gnuLongName('a'.repeat(900)), file('cut', 'x')),
    tar(paxGlobal({ comment: 'c'.repeat(900) }), file('a', 'x')),
    ...Object.values(SPARSE_FORMATS).map((sparse) =>
      tar(
        sparse(
          'sparse',
          99_000,
          Array.from({ length: 60 }, (_, index) => [index * 1500, 'island'] as const),
        ),
        file('after', 'x'),
      ),
    ),
  ]) {
    const all = decode(archive).map(({ content: _, ...entry }) => entry);
    expect(skipAlways(archive, 512)).toEqual(all);
  }
});

test('a body can be left in its midst', () => {
  const archive = tar(file('a', 'x'.repeat(2000)), file('b', 'y'), file('c', ''));
  expect(headers(archive, 100).map(({ path }) => path)).toEqual(['a', 'b', 'c']);
});

test('the position is that of the archive', () => {
  const decoder = new TarDecoder({ entry() {}, data() {}, entryEnd() {} });
  const archive = tar(file('a', 'x'.repeat(2000)), file('b', 'y'));
  decoder.write(archive, 0, 512);
  expect(decoder.skippable).toBe(2048);
  decoder.skip();
  expect([decoder.position, decoder.skippable, decoder.finished]).toEqual([2560, 0, false]);
  decoder.write(archive, 2560);
  expect(decoder.finished).toBe(true);
});
