import { existsSync, rmSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OverlayerError, unpackLayer } from '../../src/index.js';
import { verifyErofsLayer } from '../../src/layer/index.js';
import { makeErofsLayer } from '../helpers/erofs-layer.js';
import { useErofsMounts } from '../helpers/erofs-mounts.js';
import { place } from '../helpers/mutations.js';
import { REAL_LAYERS } from '../helpers/real-layers.js';
import { file, hardlink, opaque, tar, whiteout } from '../helpers/tar-builder.js';
import { inWorkDirectory } from '../helpers/work-directory.js';

const mounts = useErofsMounts();

const { bytes: FILE, layer: LAYER } = makeErofsLayer(new Map(REAL_LAYERS).get('features')!);
const METADATA = Number(FILE.readBigUInt64LE(72));

type Damage = { readonly at: number } & (
  | { readonly bit: number }
  | { readonly truncate: true }
  | { readonly append: string }
);

const damages: fc.Arbitrary<Damage> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ at: place, bit: fc.nat({ max: 7 }) }) },
  { weight: 1, arbitrary: fc.record({ at: place, truncate: fc.constant(true as const) }) },
  { weight: 1, arbitrary: fc.record({ at: place, append: fc.constantFrom('\0', 'x', '\0'.repeat(4096)) }) },
);

/** @param start the part of the file before it is left as it is */
function damage(change: Damage, start = 0): Buffer {
  const at = start + Math.floor(change.at * (FILE.length - start));
  if ('truncate' in change) return FILE.subarray(0, at);
  if ('append' in change) return Buffer.concat([FILE, Buffer.from(change.append)]);
  const bytes = Buffer.from(FILE);
  bytes[at]! ^= 1 << change.bit;
  return bytes;
}

async function codeOf(work: PromiseLike<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (OverlayerError.is(error)) return error.code;
    throw error;
  }
}

test('a verification finds each changed bit, and each byte that is missing or too many', () =>
  inWorkDirectory(async (at) => {
    const property = fc.asyncProperty(damages, async (change) => {
      writeFileSync(at('layer.erofs'), damage(change));
      expect(['DataLoss', 'InvalidArgument', 'Unimplemented']).toContain(
        await codeOf(verifyErofsLayer(at('layer.erofs'))),
      );
    });
    await fc.assert(property, { numRuns: 300 });
    writeFileSync(at('layer.erofs'), FILE);
    expect(await verifyErofsLayer(at('layer.erofs'))).toMatchObject({ whiteouts: LAYER.whiteouts });
  }));

test('a layer upon a damaged one is unpacked, or fails with a typed error and leaves nothing', () =>
  inWorkDirectory(async (at) => {
    const layer = tar(
      hardlink('l', 'd/setuid'),
      file('absolute/n', 'n'),
      whiteout('d/gnu'),
      opaque(''),
      opaque('sparse'),
    );
    writeFileSync(at('layer.tar'), layer);
    const property = fc.asyncProperty(damages, async (change) => {
      writeFileSync(at('lower.erofs'), damage(change, METADATA));
      const destination = at('layer.erofs');
      const options = { target: 'erofs', lowers: [at('lower.erofs')], sync: false } as const;
      const code = await codeOf(unpackLayer(at('layer.tar'), destination, options));
      expect([
        undefined,
        'DataLoss',
        'InvalidArgument',
        'Unimplemented',
        'NotFound',
        'ResourceExhausted',
      ]).toContain(code);
      expect(existsSync(destination)).toBe(code === undefined);
      rmSync(destination, { force: true });
    });
    await fc.assert(property, { numRuns: 100 });
  }));

test('the kernel refuses a file without its superblock, and reads no data that were cut off', () =>
  inWorkDirectory(async (at) => {
    const show = () => mounts.show([at('layer.erofs')], { loop: true });
    for (const length of [0, 1024, 1151]) {
      const unfinished = Buffer.from(FILE);
      unfinished.fill(0, Math.min(length, 1024), 1152);
      writeFileSync(at('layer.erofs'), unfinished);
      await expect(show()).rejects.toThrow(/EINVAL/);
    }
    writeFileSync(at('layer.erofs'), FILE.subarray(0, METADATA + 512));
    await expect(show()).rejects.toThrow(/EIO|error -117/);
    const damaged = Buffer.from(FILE);
    damaged.writeUInt16LE(0xffff, METADATA);
    writeFileSync(at('layer.erofs'), damaged);
    await expect(show()).rejects.toThrow(/EOPNOTSUPP|error -117/);
  }, 'disk'));
