import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { compress as zstdSync } from 'zstd-napi';
import { type LayerSource, unpackLayer } from '../../src/index.js';
import { cut } from '../helpers/decompress.js';
import { REAL_LAYERS } from '../helpers/real-layers.js';
import { inWorkDirectory } from '../helpers/work-directory.js';

test.each(REAL_LAYERS)('every source of a layer gives the same file: %s', (_, layer) =>
  inWorkDirectory(async (at) => {
    writeFileSync(at('layer.tar'), layer);
    const sources: readonly LayerSource[] = [
      at('layer.tar'),
      at('layer.tar'),
      layer,
      gzipSync(layer),
      zstdSync(layer),
      { path: at('layer.tar'), offset: 0, length: layer.length },
      cut(layer, 777),
    ];
    const files: Buffer[] = [];
    for (const [number, source] of sources.entries()) {
      const { diffID } = await unpackLayer(source, at(`${number}.erofs`), {
        target: 'erofs',
        sync: number === 0,
      });
      expect(readFileSync(at(`${number}.erofs`)).toString('hex', 40, 72)).toBe(
        diffID?.slice('sha256:'.length),
      );
      files.push(readFileSync(at(`${number}.erofs`)));
    }
    const [first, ...others] = files;
    expect(others.map((bytes) => bytes.equals(first!))).toEqual(others.map(() => true));
    // The layer is in the file byte for byte.
    expect(first!.subarray(4096, 4096 + layer.length).equals(layer)).toBe(true);
  }),
);
