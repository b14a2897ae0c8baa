import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { unpackLayer } from '../../src/index.js';
import { runUnpack } from '../helpers/run-unpack.js';
import { dir, file, symlink, tar } from '../helpers/tar-builder.js';
import { readTree } from '../helpers/tree.js';
import { inWorkDirectory } from '../helpers/work-directory.js';

// A process that may open so few files has some forty open before it begins.
const prefix = ['sh', '-c', 'ulimit -n 100; exec "$@"', 'sh'];
const range = (count: number) => Array.from({ length: count }, (_, index) => index);

test('100 files at once are enough for a layer of many small files and directories', () =>
  inWorkDirectory(async (at) => {
    const files = range(300).flatMap((index) => [file(`f${index}`, 'x'), file(`d${index}/a/b/f`, 'y')]);
    const again = range(300).map((index) => file(`d${index}/a/g`, 'z'));
    writeFileSync(at('layer.tar'), tar(...files, ...again));
    const run = { source: at('layer.tar'), destination: at('dest'), options: {} };
    expect(runUnpack(run, { prefix })).toMatchObject({ result: { entries: 900 } });
    expect(readTree(at('dest')).size).toBe(1 + 300 + 3 * 300 + 300 + 300);
  }));

test('and for a tree of 250 levels of a lower layer, through a symlink to its end', () =>
  inWorkDirectory(async (at) => {
    const down = range(250)
      .map(() => 'd')
      .join('/');
    await unpackLayer(tar(dir(down), symlink('end', down)), at('lower'));
    writeFileSync(at('layer.tar'), tar(...range(50).map((index) => file(`end/f${index}`, 'x'))));
    const options = { target: 'overlay', lowers: [at('lower')] } as const;
    const run = { source: at('layer.tar'), destination: at('dest'), options };
    expect(runUnpack(run, { prefix })).toMatchObject({ result: { entries: 50 } });
    expect(readTree(at('dest')).has(`${down}/f49`)).toBe(true);
  }));
