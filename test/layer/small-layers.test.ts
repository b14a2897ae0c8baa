import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compress as zstdSync } from 'zstd-napi';
import { type LayerResult, OverlayerError, type UnpackLayerOptions, unpackLayer } from '../../src/index.js';
import { mutate, mutations, place } from '../helpers/mutations.js';
import { REAL_LAYERS } from '../helpers/real-layers.js';
import { Sandbox } from '../helpers/sandbox.js';
import { file, tar } from '../helpers/tar-builder.js';
import { diffTrees, type Tree } from '../helpers/tree.js';

// Two threads read a layer. The caller's thread reads a small one where the option asks for it.

type Unpack = (layer: Buffer, destination: string, options: UnpackLayerOptions) => Promise<LayerResult>;

const WAYS = {
  'a stream': (layer, destination, options) => unpackLayer(Readable.from([layer]), destination, options),
  'a buffer': (layer, destination, options) => unpackLayer(layer, destination, options),
  "a buffer, in the caller's thread": (layer, destination, options) =>
    unpackLayer(layer, destination, { ...options, thread: 'caller' }),
} as const satisfies Record<string, Unpack>;
const ways = Object.entries(WAYS);

const compress = {
  none: (bytes: Buffer) => bytes,
  gzip: (bytes: Buffer) => gzipSync(bytes),
  zstd: (bytes: Buffer) => zstdSync(bytes, { checksumFlag: true }),
} as const;

let box: Sandbox;

beforeEach(() => {
  box = new Sandbox();
});

afterEach(() => box.remove());

interface Outcome {
  readonly result?: LayerResult;
  readonly tree?: Tree;
  readonly error?: Pick<OverlayerError, 'code' | 'message' | 'entry' | 'offset' | 'hint'>;
}

async function outcome(unpack: Unpack, layer: Buffer, options: UnpackLayerOptions): Promise<Outcome> {
  try {
    const result = await unpack(layer, box.dest, options);
    return { result, tree: box.tree() };
  } catch (error) {
    if (!OverlayerError.is(error)) throw error;
    expect(box.exists()).toBe(false);
    const { code, message, entry, offset, hint } = error;
    return { error: { code, message, entry, offset, hint } };
  } finally {
    box.empty();
    box.assertUntouched();
  }
}

async function expectSame(layer: Buffer, options: UnpackLayerOptions): Promise<void> {
  const expected = await outcome(WAYS['a stream'], layer, options);
  for (const [name, unpack] of ways) {
    const { tree, ...rest } = await outcome(unpack, layer, options);
    const { tree: expectedTree, ...others } = expected;
    expect(rest, name).toEqual(others);
    // A directory that the layer does not list has the time at which it was made.
    if (tree !== undefined) expect(diffTrees(expectedTree!, tree, ['mtime']), name).toEqual([]);
  }
}

const archives = new Map(REAL_LAYERS);
const layers = fc.constantFrom(...archives.keys());
const formats = fc.constantFrom(...(Object.keys(compress) as (keyof typeof compress)[]));
const options = fc.record({
  target: fc.constantFrom('directory' as const, 'overlay' as const, 'erofs' as const),
  gzip: fc.constantFrom('isal' as const, 'zlib' as const),
  sync: fc.constant(false),
  limits: fc.constant({ maxBytes: 64 << 20 }),
});

describe('each way to read a layer gives the same tree, digests, anomalies and errors', () => {
  test.each(['none', 'gzip', 'zstd'] as const)('of real layers, as %s', async (format) => {
    const each = [...archives.values()].filter((_, at) => at % 3 === Object.keys(compress).indexOf(format));
    for (const layer of each) await expectSame(compress[format](layer), { sync: false });
  });

  test('of archives with mutations', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(layers, mutations, formats, options, async (name, changes, format, how) => {
        await expectSame(compress[format](mutate(archives.get(name)!, changes)), how);
      }),
      { numRuns: 20 },
    );
  });

  test('of layers that are cut off', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(layers, place, formats, options, async (name, at, format, how) => {
        const layer = compress[format](archives.get(name)!);
        await expectSame(layer.subarray(0, Math.floor(at * layer.length)), how);
      }),
      { numRuns: 12 },
    );
  });
});

const bomb = tar(file('zeros', Buffer.alloc(72 << 20)));
const bombs = { gzip: gzipSync(bomb), zstd: zstdSync(bomb) } as const;

describe.each(ways)('%s', (_, unpack) => {
  test.each(['gzip', 'zstd'] as const)('a bomb of %s is refused', async (format) => {
    expect(bombs[format].length).toBeLessThan(1 << 20);
    await expect(unpack(bombs[format], box.dest, { sync: false })).rejects.toMatchObject({
      code: 'ResourceExhausted',
      message: expect.stringContaining('maxRatio'),
    });
    expect(box.exists()).toBe(false);
  });

  test('an abort ends it in the middle', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const unpacking = unpack(bombs.gzip, box.dest, {
      limits: { maxRatio: 2000 },
      signal: controller.signal,
      sync: false,
    });
    setTimeout(() => controller.abort(reason), 10);
    await expect(unpacking).rejects.toBe(reason);
    expect(box.exists()).toBe(false);
    box.assertUntouched();
  });

  test('a failure leaves nothing of it to the next layer', async () => {
    const layer = gzipSync(tar(file('a', 'x'.repeat(300_000)), file('b', 'y')));
    await expect(unpack(layer.subarray(0, -20), box.dest, {})).rejects.toMatchObject({ code: 'DataLoss' });
    await unpack(layer, box.dest, {});
    expect(box.read('b')).toBe('y');
  });
});
