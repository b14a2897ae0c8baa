import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { OverlayerError, unpackLayer } from '../../src/index.js';
import { DirectorySwapper } from '../helpers/directory-swapper.js';
import { type Sandbox, test } from '../helpers/sandbox.js';
import { dir, file, hardlink, opaque, symlink, tar, whiteout } from '../helpers/tar-builder.js';

const UNPACKS = 150;

/** Everything an entry can do below a directory whose name may lead outside by the time it is done. */
const layer = tar(
  ...['etc', 'bin', 'etc/sub'].flatMap((name) => [
    dir(name, { mode: 0o777, uid: 1, gid: 1, xattrs: { 'user.hostile': 'x' } }),
    file(`${name}/passwd`, 'hostile', { mode: 0o4777, uid: 1, xattrs: { 'user.hostile': 'x' } }),
    file(`${name}/shadow`, 'hostile'),
    file(`${name}/deep/er/file`, 'hostile'),
    hardlink(`${name}/su`, `${name}/passwd`, { mode: 0o777 }),
    symlink(`${name}/link`, 'hostile'),
    whiteout(`${name}/empty`),
    file(`${name}/shadow`, 'once more'),
  ]),
  opaque('etc'),
  opaque('bin'),
  whiteout('var'),
  file('var/cache/x', 'hostile'),
  whiteout('gone'),
);

// CVE-2025-47290 of containerd, CVE-2026-41568 and -42306 of Docker: what was checked is not what is written to.
describe('CVE-2025-47290: directories of the destination change into symlinks while they are written', () => {
  for (const target of ['directory', 'overlay'] as const)
    test(`${target}: nothing outside changes, nothing hangs`, { timeout: 120_000 }, async ({ box }) => {
      const swaps = prepare(box);
      const swapper = await DirectorySwapper.start(swaps);
      const outcomes = new Map<string, number>();
      try {
        for (let round = 0; round < UNPACKS; round++) {
          const outcome = await unpackLayer(layer, box.dest, { target, existing: 'merge', sync: false }).then(
            () => 'unpacked',
            (error: unknown) => (OverlayerError.is(error) ? error.code : String(error)),
          );
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        }
      } finally {
        expect(await swapper.stop(), 'exchanges').toBeGreaterThan(UNPACKS * 10);
      }
      const typed = ['unpacked', 'InvalidArgument', 'NotFound', 'FailedPrecondition', 'Unavailable'];
      expect([...outcomes.keys()].filter((outcome) => !typed.includes(outcome))).toEqual([]);
    });
});

/** Directories of the layer, each with a symlink to its like outside that waits to take its place. */
function prepare(box: Sandbox): [string, string][] {
  return ['etc', 'bin', 'var', 'gone'].map((name) => {
    const [directory, link] = [join(box.dest, name), join(box.dest, `${name}.link`)];
    mkdirSync(directory, { recursive: true });
    symlinkSync(name === 'bin' ? `../outside/${name}` : box.outside, link);
    return [directory, link];
  });
}
