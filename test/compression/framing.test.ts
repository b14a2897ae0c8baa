import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compress } from 'zstd-napi';
import { GZIP_DECODERS } from '../../src/compression/open-decompressor.js';
import { decompress } from '../helpers/decompress.js';
import { gzipMember } from '../helpers/gzip-member.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

// One wrong bit in the first bytes of a later member once ended the stream there, and half a layer was a whole one. What
// is accepted is what `gzip -t` and `zstd -t` accept, whichever decoder there is.

const noHang = { timeout: 60_000 };
const text = Buffer.from('layers are tar archives. ');

let directory: string;
beforeEach(() => {
  directory = makeWorkDirectory();
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Which of the streams a command says to be fine: it takes many at once, and gzip goes no further than one that is cut off. */
function acceptedBy(command: readonly string[], extension: string, streams: readonly Buffer[]): boolean[] {
  const names = streams.map((_, index) => `s${index}.${extension}`);
  for (const [index, stream] of streams.entries()) writeFileSync(join(directory, names[index]!), stream);
  const [program, ...options] = command as [string, ...string[]];
  const fine = new Set<string>();
  for (let at = 0; at < names.length; ) {
    const { stderr } = spawnSync(program, [...options, ...names.slice(at)], {
      cwd: directory,
      encoding: 'latin1',
    });
    const said = stderr
      .replace(/gzip: \S+ extra field of \d+ bytes ignored\n/g, '')
      .matchAll(new RegExp(`s(\\d+)\\.${extension}[^\\n]*`, 'g'));
    let last = at;
    for (const [line, index] of said) {
      last = Math.max(last, Number(index));
      if (/OK$|zero bytes ignored$|: \d+ bytes *$/.test(line)) fine.add(names[Number(index)]!);
      else fine.delete(names[Number(index)]!);
    }
    at = last + 1;
  }
  return names.map((name) => fine.has(name));
}

function flipped(stream: Buffer): Buffer[] {
  return Array.from({ length: stream.length * 8 }, (_, bit) => {
    const damaged = Buffer.from(stream);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    return damaged;
  });
}

/** The stream as it is, with something after it, and each bit of it turned over once. */
function variants(stream: Buffer, after: readonly Buffer[]): Buffer[] {
  return [stream, ...after.map((bytes) => Buffer.concat([stream, bytes])), ...flipped(stream)];
}

const hex = (digits: string) => Buffer.from(digits, 'hex');
const AFTER = [
  Buffer.alloc(1),
  Buffer.alloc(700),
  hex('001f8b'),
  hex('0000ff'),
  hex('1f'),
  hex('1f8b'),
  hex('28b52ffd'),
].concat([hex('28'), hex('502a4d18'), hex('04224d18'), Buffer.from('x'), Buffer.from('garbage')]);

/** An empty block with its place in the extra field: the end of a file by bgzip. */
const BGZIP_END = hex('1f8b08040000000000ff0600424302001b0003000000000000000000');
/** An empty member that tells in its extra field where the table of contents is. */
const ESTARGZ_FOOTER = Buffer.concat([
  hex('1f8b08040000000000ff1a0053471600'),
  Buffer.from('0000000000000000STARGZ'),
  hex('010000ffff0000000000000000'),
]);

const MEMBERS = {
  'one member': gzipSync(text),
  'several members, an empty one among them': Buffer.concat([gzipSync('a'), gzipSync(''), gzipSync(text)]),
  'members with name, comment, extra field and header checksum': Buffer.concat([
    gzipMember(text),
    gzipMember(Buffer.from('b')),
  ]),
  "eStargz's footer, bgzip's end": Buffer.concat([gzipSync(text), ESTARGZ_FOOTER, BGZIP_END]),
  'dynamic codes': gzipSync(
    Buffer.from(Array.from({ length: 400 }, (_, index) => 97 + ((index * index * 7 + (index % 13)) % 23))),
  ),
  'fixed codes and stored blocks': Buffer.concat([
    gzipSync(text, { strategy: constants.Z_FIXED }),
    gzipSync(text, { level: 0 }),
  ]),
};

describe.each(Object.entries(MEMBERS))('gzip, %s', noHang, (_, stream) => {
  test('is accepted, changed in any way, as gzip -t does, by each decoder', async () => {
    const streams = variants(stream, [...AFTER, gzipSync('more')]);
    const wanted = acceptedBy(['gzip', '-tv'], 'gz', streams);
    for (const decoder of GZIP_DECODERS) {
      const differences: unknown[] = [];
      for (const [index, bytes] of streams.entries()) {
        const outcome = await decompress('gzip', [bytes], decoder);
        if ('plain' in outcome !== wanted[index])
          differences.push({ index, bytes: bytes.toString('hex'), outcome, wanted: wanted[index] });
      }
      expect(differences, decoder).toEqual([]);
    }
  });
});

test('members in any number, damaged in several places, are the same to each decoder', noHang, async () => {
  const part = fc.constantFrom(
    ...[gzipSync(text), gzipSync(''), gzipMember(Buffer.from('b')), Buffer.alloc(9)],
  );
  const damage = fc.record({ at: fc.nat({ max: 400 }), bit: fc.nat({ max: 7 }) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(part, { minLength: 1, maxLength: 4 }),
      fc.array(damage, { maxLength: 2 }),
      fc.nat(400),
      async (parts, damages, cutAt) => {
        const stream = Buffer.concat(parts);
        for (const { at, bit } of damages) stream[at % stream.length]! ^= 1 << bit;
        const pieces = [stream.subarray(0, cutAt), stream.subarray(cutAt)];
        const [one, ...others] = await Promise.all(
          GZIP_DECODERS.map((decoder) => decompress('gzip', pieces, decoder)),
        );
        for (const other of others) expect(other).toEqual(one);
      },
    ),
    { numRuns: 300 },
  );
});

function skippable(size: number): Buffer {
  const frame = Buffer.alloc(8 + size, 0x77);
  frame.writeUInt32LE(0x184d2a53, 0);
  frame.writeUInt32LE(size, 4);
  return frame;
}

const checked = (bytes: Uint8Array | string) =>
  compress(Buffer.from(bytes as string), { checksumFlag: true });
const FRAMES = {
  'one frame': checked(text),
  'several frames, an empty one among them': Buffer.concat([checked('a'), checked(''), checked(text)]),
  'skippable frames around others': Buffer.concat([
    skippable(5),
    checked(text),
    skippable(0),
    checked('b'),
    skippable(9),
  ]),
  'frames of pzstd': spawnSync('pzstd', ['-q', '-c'], { input: text }).stdout,
  'a skippable frame alone': skippable(20),
};

describe.each(Object.entries(FRAMES))('zstd, %s', noHang, (_, stream) => {
  test('is accepted, changed in any way, as zstd -t does', async () => {
    const streams = variants(stream, [...AFTER, checked('more')]);
    const wanted = acceptedBy(['zstd', '-tv', '--long=28'], 'zst', streams);
    const differences: unknown[] = [];
    for (const [index, bytes] of streams.entries()) {
      // The library takes a last block that is said to be compressed and has no bytes, where a frame comes in pieces.
      if (bytes.includes(hex('050000'))) continue;
      const outcome = await decompress('zstd', [bytes]);
      if ('plain' in outcome !== wanted[index])
        differences.push({ index, bytes: bytes.toString('hex'), outcome, wanted: wanted[index] });
    }
    expect(differences).toEqual([]);
  });
});
