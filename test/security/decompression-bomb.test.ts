import { gzipSync } from 'node:zlib';
import { describe, expect } from 'vitest';
import { compress as zstdSync } from 'zstd-napi';
import type { LayerProgress, LayerSource, Limits, OverlayerError } from '../../src/index.js';
import { type Sandbox, test } from '../helpers/sandbox.js';
import { file, header, tar, zeros } from '../helpers/tar-builder.js';

// CVE-2026-59873 and -59874 of node-tar, podman-desktop#16663: a few megabytes that become many gigabytes.

const MIB = 1024 ** 2;
const GIB = 1024 * MIB;
const ZEROS = Buffer.alloc(16 * MIB);

/** Both formats may hold any number of streams, one after the other: the bomb is one of them, again and again. */
const formats = {
  gzip: { compress: (bytes: Uint8Array) => gzipSync(bytes, { level: 9 }), limits: { maxRatio: 900 } },
  zstd: { compress: (bytes: Uint8Array) => zstdSync(bytes, { compressionLevel: 19 }), limits: {} },
};

/** The bomb, a charge at a time. */
function* lit(start: Uint8Array, charge: Uint8Array) {
  yield start;
  for (let count = 0; count < 4096; count++) yield charge;
}

/** Unpacks what must fail before much of it has been decompressed. */
async function defused(box: Sandbox, source: LayerSource, limits: Partial<Limits>): Promise<OverlayerError> {
  let decompressed = 0;
  const onProgress = ({ bytes }: LayerProgress) => {
    decompressed = bytes;
  };
  const error = await box.failure(source, { limits, onProgress });
  expect(error.code).toBe('ResourceExhausted');
  expect(decompressed).toBeLessThan(GIB / 2);
  return error;
}

for (const [format, { compress, limits }] of Object.entries(formats))
  describe(format, { timeout: 30_000 }, () => {
    const charge = compress(ZEROS);
    const huge = compress(header({ name: 'zeros', size: { base256: 60 * GIB } }));

    test('the ratio ends it long before the limit of bytes', async ({ box }) => {
      expect((await defused(box, lit(huge, charge), limits)).message).toContain('maxRatio');
    });

    test('the limit of bytes ends it too', async ({ box }) => {
      const claimed = compress(header({ name: 'zeros', size: 100 * MIB }));
      const error = await defused(box, lit(claimed, charge), { maxRatio: 1e9, maxBytes: 100 * MIB });
      expect(error.message).toContain('maxBytes');
    });

    test('zeros after the end of the archive count', async ({ box }) => {
      const error = await defused(box, lit(compress(tar()), charge), { maxRatio: 1e9, maxBytes: 100 * MIB });
      expect(error.message).toContain('maxBytes');
    });

    test('a bomb given as one buffer', async ({ box }) => {
      const bomb = Buffer.concat([huge, ...Array<Uint8Array>(1024).fill(charge)]);
      expect(bomb.length).toBeLessThan(20 * MIB);
      await defused(box, bomb, limits);
    });

    test('a bomb within a bomb is a file like any other', async ({ box }) => {
      const inner = compress(ZEROS);
      const result = await box.unpack(compress(tar(file('inner', inner))));
      expect(result.compression).toBe(format);
      expect(box.tree().get('inner')?.size).toBe(inner.length);
    });
  });

test('zeros that are allowed: below 64 MiB the ratio says nothing', async ({ box }) => {
  const archive = Buffer.concat([
    header({ name: 'zeros', size: 32 * MIB }),
    Buffer.alloc(32 * MIB),
    zeros(2),
  ]);
  await box.unpack(zstdSync(archive));
  expect(box.tree().get('zeros')?.size).toBe(32 * MIB);
});
