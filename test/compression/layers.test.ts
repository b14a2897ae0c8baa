import { createHash, randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect } from 'vitest';
import { compress } from 'zstd-napi';
import { GZIP_DECODERS } from '../../src/compression/open-decompressor.js';
import { type Compression, planLayer, type ReadLayerOptions } from '../../src/index.js';
import { cut } from '../helpers/decompress.js';
import { gzipMember } from '../helpers/gzip-member.js';
import { failureOf, test } from '../helpers/sandbox.js';
import { dir, file, tar, zeros } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const noHang = { timeout: 20_000 };
const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

const archive = tar(dir('d'), file('d/f', 'layer '.repeat(200_000)), file('g', 'x'));
/** Members of such a layer begin at every place of the ring that it goes through. */
const noisy = tar(dir('d'), file('d/f', 'layer '.repeat(200_000)), file('noise', randomBytes(400_000)));
const after = Buffer.concat([archive, zeros(40)]);

/** Streams of one archive, and what a result says of each. */
const layers: Record<string, { bytes: Buffer; compression: Compression; size: number; diffID: string }> = {
  tar: layer(archive, 'none', archive),
  'tar with zeros after it': layer(after, 'none', after),
  gzip: layer(gzipSync(archive), 'gzip', archive),
  'gzip with zeros after the archive': layer(gzipSync(after), 'gzip', after),
  'gzip, many members': layer(
    Buffer.concat([...cut(archive, 100_000)].map((part) => gzipSync(part))),
    'gzip',
    archive,
  ),
  'gzip, small members with names and extra fields': layer(
    Buffer.concat([...cut(noisy, 200)].map((part) => gzipMember(part))),
    'gzip',
    noisy,
  ),
  zstd: layer(compress(archive), 'zstd', archive),
  'zstd, many frames': layer(
    Buffer.concat([...cut(archive, 100_000)].map((part) => compress(part))),
    'zstd',
    archive,
  ),
  'an empty blob': layer(Buffer.alloc(0), 'none', Buffer.alloc(0)),
  'an empty gzip': layer(gzipSync(''), 'gzip', Buffer.alloc(0)),
  'an empty zstd': layer(compress(Buffer.alloc(0)), 'zstd', Buffer.alloc(0)),
};

function layer(bytes: Buffer, compression: Compression, plain: Uint8Array) {
  return { bytes, compression, size: plain.length, diffID: sha256(plain) };
}

describe.each(GZIP_DECODERS)('digests and sizes, gzip by %s', noHang, (gzip) => {
  for (const [name, { bytes, compression, size, diffID }] of Object.entries(layers))
    test(name, async ({ box }) => {
      const expected = { compression, size, diffID, digest: sha256(bytes), compressedSize: bytes.length };
      expect(await box.unpack(bytes, { gzip, allowEmpty: true })).toMatchObject(expected);
      if (size > 0) expect(box.read('d/f')).toBe('layer '.repeat(200_000));
      expect(await read(cutUp(bytes), { gzip, allowEmpty: true })).toMatchObject(expected);
    });
});

test('zeros after a gzip stream count in the digest, not in the diffID', noHang, async ({ box }) => {
  const compressed = gzipSync(archive);
  for (const gzip of GZIP_DECODERS) {
    const bytes = Buffer.concat([compressed, zeros(1400)]);
    const result = await box.unpack(bytes, { gzip });
    expect(result).toMatchObject({ digest: sha256(bytes), diffID: sha256(archive), size: archive.length });
    expect(result.anomalies.map(({ kind }) => kind)).toEqual(['data-after-stream']);
    box.empty();
  }
});

describe('half a layer is none', noHang, () => {
  const parts = [...cut(archive, 100_000)];
  const streams = { gzip: parts.map((part) => gzipSync(part)), zstd: parts.map((part) => compress(part)) };
  for (const [name, members] of Object.entries(streams))
    for (const gzip of name === 'gzip' ? GZIP_DECODERS : [undefined])
      test(`one bit is wrong where a later part begins: ${name}${gzip === undefined ? '' : ` by ${gzip}`}`, async ({
        box,
      }) => {
        const damaged = Buffer.concat(members);
        const offset = members[0]!.length + members[1]!.length;
        damaged[offset]! ^= 1;
        expect(await box.failure(damaged, { gzip })).toMatchObject({ code: 'DataLoss', offset });
      });

  test('lz4 that begins with a skippable frame, as zstd may', async ({ box }) => {
    const lz4 = Buffer.from('502a4d1800000000' + '04224d186040820000000000', 'hex');
    const error = await box.failure(lz4);
    expect(error).toMatchObject({ code: 'Unimplemented', message: expect.stringContaining('lz4') });
  });
});

describe('what a layer is does not depend on its name', noHang, () => {
  const contents = { none: archive, gzip: gzipSync(archive), zstd: compress(archive) };
  for (const name of ['layer.tar.gz', 'layer.tar.zst', 'layer.tar', 'layer.tar.xz', 'noname'])
    for (const [compression, bytes] of Object.entries(contents))
      test(`${compression} in ${name}`, async ({ box }) => {
        const path = join(makeWorkDirectory(), name);
        writeFileSync(path, bytes);
        expect((await box.unpack(path)).compression).toBe(compression);
        rmSync(dirname(path), { recursive: true });
      });
});

test('a gzip decoder that does not exist', async () => {
  const error = await failureOf(read(layers['gzip']!.bytes, { gzip: 'pigz' as 'zlib' }));
  expect(error).toMatchObject({ code: 'InvalidArgument' });
  expect(error.hint).toContain('isal');
});

async function read(source: Parameters<typeof planLayer>[0], options: ReadLayerOptions) {
  const plan = planLayer(source, options);
  for await (const { operation } of plan) expect(operation.path).not.toBe('');
  return await plan;
}

/** As a network gives it. */
async function* cutUp(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield* cut(bytes, 777);
}
