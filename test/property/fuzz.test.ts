import { mkdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compress as zstdSync } from 'zstd-napi';
import { type LayerSource, OverlayerError, type UnpackLayerOptions } from '../../src/index.js';
import { cut } from '../helpers/decompress.js';
import { mutate, mutations, place } from '../helpers/mutations.js';
import { REAL_LAYERS } from '../helpers/real-layers.js';
import { Sandbox } from '../helpers/sandbox.js';
import {
  characterDevice,
  dir,
  fifo,
  file,
  hardlink,
  opaque,
  symlink,
  tar,
  whiteout,
} from '../helpers/tar-builder.js';
import { within } from '../helpers/within.js';

// Whatever the bytes are, an unpack succeeds, or fails with a typed error and leaves nothing; it never hangs, and
// never touches what is outside. A failure prints the seed and the case; OVERLAYER_FUZZ_SEED runs it again, and
// OVERLAYER_FUZZ_RUNS multiplies the number of cases.

const TIMES = Number(process.env['OVERLAYER_FUZZ_RUNS'] ?? 1);
const SEED = process.env['OVERLAYER_FUZZ_SEED'];
const DEADLINE = 10_000;

/** No shrinking: a case is small, and after a hang no other could run. */
const runs = (count: number) => ({
  numRuns: count * TIMES,
  endOnFailure: true,
  ...(SEED === undefined ? {} : { seed: Number(SEED) }),
});
const limits = { timeout: 60_000 * TIMES };

/** How the bytes come. */
const packaging = fc.record({
  compression: fc.constantFrom('none' as const, 'gzip' as const, 'zstd' as const),
  gzip: fc.constantFrom('isal' as const, 'zlib' as const),
  pieces: fc.constantFrom(undefined, 100, 5000),
});
type Packaging = typeof packaging extends fc.Arbitrary<infer T> ? T : never;

const destinations = fc.record({
  target: fc.constantFrom('directory' as const, 'overlay' as const),
  before: fc.constantFrom('nothing' as const, 'an empty directory' as const, 'a tree' as const),
  lowers: fc.boolean(),
});
type Where = typeof destinations extends fc.Arbitrary<infer T> ? T : never;

const KINDS = {
  file: (name: string) => file(name, 'x'),
  dir: (name: string) => dir(name, { mode: 0o2755, gid: 5 }),
  symlink,
  hardlink,
  fifo: (name: string) => fifo(name),
  device: (name: string) => characterDevice(name, 0, 0),
  whiteout: (name: string) => whiteout(name),
  opaque: (name: string) => opaque(name),
};
const NAMES = [
  'a',
  'b',
  'a/b',
  'a/b/c',
  'l',
  'l/a',
  'd/f',
  'out',
  'out/x',
  'a/../b',
  './b',
  '..',
  '.',
  '/',
  'dir',
];
const TARGETS = [
  'a',
  'b',
  'a/b',
  '..',
  '../..',
  '/',
  '/a',
  'l',
  '.',
  'none',
  '../../../outside',
  'd/f',
  'dir/file',
];
const member = fc.tuple(
  fc.constantFrom(...(Object.keys(KINDS) as (keyof typeof KINDS)[])),
  fc.constantFrom(...NAMES),
  fc.constantFrom(...TARGETS),
);

const layers = fc.constantFrom(...REAL_LAYERS.map(([name]) => name));
const archives = new Map(REAL_LAYERS);

function compress(bytes: Buffer, compression: Packaging['compression']): Buffer {
  if (compression === 'none') return bytes;
  return compression === 'gzip' ? gzipSync(bytes) : zstdSync(bytes, { checksumFlag: true });
}

async function* trickle(bytes: Buffer, size: number) {
  yield* cut(bytes, size);
}

let box: Sandbox;
let lower: string;

beforeEach(async () => {
  box = new Sandbox();
  lower = await box.directory(
    'lower',
    dir('d'),
    file('d/f', 'lower'),
    symlink('out', '../outside'),
    file('dir/file'),
  );
});

afterEach(() => box.remove());

async function attempt(bytes: Buffer, { gzip, pieces }: Packaging, where: Where): Promise<void> {
  const source: LayerSource = pieces === undefined ? bytes : trickle(bytes, pieces);
  if (where.before !== 'nothing') mkdirSync(box.dest);
  const tree = where.before === 'a tree';
  if (tree)
    await box.unpack(tar(dir('d'), file('d/f', 'before'), symlink('out', '../outside')), { sync: false });
  const options: UnpackLayerOptions = {
    gzip,
    target: where.target,
    lowers: where.lowers ? [lower] : [],
    existing: tree ? 'merge' : 'refuse',
    limits: { maxBytes: 64 << 20 },
    sync: false,
  };
  try {
    await within(DEADLINE, 'unpack', box.unpack(source, options));
  } catch (error) {
    if (!OverlayerError.is(error)) throw error;
    expect(error.code, error.stack).not.toBe('Internal');
    if (where.before === 'nothing') expect(box.exists(), 'destination after a failure').toBe(false);
    if (where.before === 'an empty directory') expect([...box.tree().keys()]).toEqual(['.']);
  } finally {
    box.empty();
  }
  box.assertUntouched();
}

describe('fuzzed layers', limits, () => {
  test('archives with mutations, then compressed', async () => {
    await fc.assert(
      fc.asyncProperty(layers, mutations, packaging, destinations, async (name, changes, how, where) => {
        await attempt(compress(mutate(archives.get(name)!, changes), how.compression), how, where);
      }),
      runs(250),
    );
  });

  test('compressed archives with mutations', async () => {
    const compressed = packaging.map(
      (how) => ({ ...how, compression: how.compression === 'zstd' ? 'zstd' : 'gzip' }) as const,
    );
    await fc.assert(
      fc.asyncProperty(layers, mutations, compressed, destinations, async (name, changes, how, where) => {
        await attempt(mutate(compress(archives.get(name)!, how.compression), changes), how, where);
      }),
      runs(120),
    );
  });

  test('random bytes, with and without a beginning that promises something', async () => {
    const promise = fc.constantFrom('', '1f8b0800', '28b52ffd', '502a4d18', 'fd377a585a00', '425a68', '1f8b');
    const noise = fc.uint8Array({ maxLength: 3000 });
    await fc.assert(
      fc.asyncProperty(promise, noise, packaging, destinations, async (magic, bytes, how, where) => {
        await attempt(Buffer.concat([Buffer.from(magic, 'hex'), bytes]), how, where);
      }),
      runs(60),
    );
  });

  test('two archives one after the other, and in each other', async () => {
    await fc.assert(
      fc.asyncProperty(layers, layers, place, packaging, destinations, async (one, other, at, how, where) => {
        const first = archives.get(one)!;
        const place = Math.floor((at * first.length) / 512) * 512;
        const bytes = Buffer.concat([first.subarray(0, place), archives.get(other)!, first.subarray(place)]);
        await attempt(compress(bytes, how.compression), how, where);
      }),
      runs(40),
    );
  });

  test('valid entries in any order, with few names for many of them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(member, { maxLength: 25 }),
        packaging,
        destinations,
        async (members, how, where) => {
          await attempt(
            compress(
              tar(...members.map(([kind, name, target]) => KINDS[kind](name, target))),
              how.compression,
            ),
            how,
            where,
          );
        },
      ),
      runs(80),
    );
  });
});
