import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeHead } from '../../../src/erofs/index.js';
import { openLinuxSystem } from '../../../src/system/linux.js';
import { applyLayer } from '../../helpers/apply-layer.js';
import { makeErofsLayer } from '../../helpers/erofs-layer.js';
import { dir, file, hardlink, opaque, symlink, tar, whiteout } from '../../helpers/tar-builder.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

let root: string;
let lower: string;
beforeAll(() => {
  root = makeWorkDirectory();
  lower = join(root, 'lower');
  const layer = tar(dir('d'), file('d/f', 'x'), symlink('l', 'd'));
  applyLayer(openLinuxSystem(), lower, { layer, target: 'overlay' });
});
afterAll(() => rmSync(root, { recursive: true }));

/** What the head says of a layer without knowledge of lower ones, and with it. */
function headsOf(archive: Uint8Array): {
  readonly alone: ReturnType<typeof decodeHead>;
  readonly upon: ReturnType<typeof decodeHead>;
} {
  return {
    alone: decodeHead(makeErofsLayer(archive).bytes),
    upon: decodeHead(makeErofsLayer(archive, { lowers: [lower] }).bytes),
  };
}

test('the head counts entries and whiteouts, and names the tar', () => {
  const archive = tar(dir('.'), dir('d'), file('d/f', 'x'), whiteout('d/g'), opaque('d'));
  expect(decodeHead(makeErofsLayer(archive).bytes)).toMatchObject({
    ...{ entries: 5, whiteouts: 2, inodes: 3, tarBytes: archive.length },
    ...{ dependsOnLowers: false, inheritsRoot: false, metadataOffset: 4096 + archive.length },
  });
});

test('a layer that lists its directories is the same file on any lower layers', () => {
  const archive = tar(
    dir('.'),
    dir('d'),
    file('d/f', 'y'),
    whiteout('d/g'),
    whiteout('nothing'),
    dir('e'),
    opaque('e'),
  );
  const alone = makeErofsLayer(archive).bytes;
  expect(makeErofsLayer(archive, { lowers: [lower] }).bytes.equals(alone)).toBe(true);
  expect(decodeHead(alone).dependsOnLowers).toBe(false);
});

test('a layer without an entry for the root says so, or has the attributes of the lower root', () => {
  const { alone, upon } = headsOf(tar(dir('d')));
  expect([alone.inheritsRoot, alone.dependsOnLowers]).toEqual([true, false]);
  expect([upon.inheritsRoot, upon.dependsOnLowers]).toEqual([false, true]);
});

describe('depends on lower layers:', () => {
  test.each([
    ['a directory without an entry', tar(dir('.'), file('d/g', 'x'))],
    ['a path through a lower symlink', tar(dir('.'), file('l/g', 'x'))],
    ['a whiteout in a directory without an entry', tar(dir('.'), whiteout('d/f'))],
    ['an opaque root', tar(dir('.'), opaque(''))],
  ])('%s', (_, archive) => {
    const { alone, upon } = headsOf(archive);
    expect([alone.dependsOnLowers, upon.dependsOnLowers]).toEqual([true, true]);
    expect(() => makeErofsLayer(archive, { lowersLater: 'refuse' })).toThrow(
      expect.objectContaining({ code: 'FailedPrecondition', reason: 'needs-lowers' }),
    );
    expect(makeErofsLayer(archive, { lowersLater: 'note' }).layer.needsLowers).toBe('directories');
  });

  test('a link to a lower file', () => {
    const archive = tar(dir('.'), dir('d'), hardlink('g', 'd/f'));
    expect(decodeHead(makeErofsLayer(archive, { lowers: [lower] }).bytes).dependsOnLowers).toBe(true);
    expect(() => makeErofsLayer(archive, { lowersLater: 'refuse' })).toThrow(
      expect.objectContaining({ code: 'FailedPrecondition', entry: 'g', reason: 'needs-lowers' }),
    );
    const { layer } = makeErofsLayer(archive, { lowersLater: 'note' });
    expect(layer.needsLowers).toBe('links');
  });
});
