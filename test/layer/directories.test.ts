import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { runUnpack } from '../helpers/run-unpack.js';
import { type Sandbox, test } from '../helpers/sandbox.js';
import { dir, file, MTIME, opaque, symlink, tar, whiteout } from '../helpers/tar-builder.js';

// What an entry says of a directory holds in the end, in whatever order the layer writes into it, and however many there
// are. So many are not open at once.
const MANY = 700;

const range = (count: number) => Array.from({ length: count }, (_, index) => index);
const wanted = (index: number) => BigInt(MTIME + index) * 1_000_000_000n;
const folder = (index: number) => dir(`d${index}`, { mtime: MTIME + index, mode: 0o711 });

function expectTimes(box: Sandbox): void {
  const tree = box.tree();
  for (const index of range(MANY))
    expect(tree.get(`d${index}`)).toMatchObject({ mtime: wanted(index), mode: '0711' });
}

describe('times and modes of directories', () => {
  test('whose files come after all of them, last first, and twice', async ({ box }) => {
    const files = (name: string) =>
      range(MANY)
        .reverse()
        .map((index) => file(`d${index}/${name}`, 'x'));
    await box.unpack(tar(...range(MANY).map(folder), ...files('a'), ...files('b')));
    expectTimes(box);
  });

  test('that are written into by other paths, through symlinks', async ({ box }) => {
    const aliases = range(MANY).flatMap((index) => [
      symlink(`s${index}`, `d${index}`),
      file(`s${index}/a`),
      file(`d${index}/b`),
    ]);
    await box.unpack(
      tar(...range(MANY).map(folder), ...aliases, ...range(MANY).map((index) => file(`s${index}/c`))),
    );
    expectTimes(box);
  });

  test('that are listed again while they are open', async ({ box }) => {
    const [early, late] = [dir('d', { mtime: 5, mode: 0o700 }), dir('d', { mtime: MTIME, mode: 0o751 })];
    await box.unpack(tar(early, file('d/a'), late, file('d/b'), dir('e'), file('d/c')));
    expect(box.tree().get('d')).toMatchObject({ mtime: wanted(0), mode: '0751' });
  });

  test('from which lower content goes', async ({ box }) => {
    await box.unpack(tar(...range(MANY).map(folder), ...range(MANY).map((index) => file(`d${index}/x/y`))));
    const changes = range(MANY).map((index) =>
      index % 2 === 0 ? whiteout(`d${index}/x`) : opaque(`d${index}`),
    );
    await box.merge(...changes);
    expectTimes(box);
    expect(box.tree().size).toBe(1 + MANY);
  });
});

test('a hollow directory that a whiteout replaces is made anew for what comes below it', async ({ box }) => {
  const lower = await box.directory('lower', file('p/d/x'));
  const layer = tar(opaque('p'), whiteout('p/d/x'), whiteout('p/d'), file('p/d/f', 'x'));
  await box.unpack(layer, { target: 'overlay', lowers: [lower] });
  expect(box.read('p/d/f')).toBe('x');
});

test('a hollow directory that an opaque mark removes is made anew, also where nothing is below', async ({
  box,
}) => {
  const files = [file('p/d/e/f', 'x'), file('p/d/g', 'x')];
  await box.unpack(tar(whiteout('p/d/x'), opaque('p'), ...files), { target: 'overlay' });
  expect(box.read('p/d/e/f')).toBe('x');
  expect(box.read('p/d/g')).toBe('x');
});

describe('without privileges, directories that refuse their owner', () => {
  const shut = [0o000, 0o100, 0o200, 0o400, 0o500, 0o555];
  const members = shut.flatMap((mode) => [dir(`m${mode}`, { mode }), dir(`m${mode}/below`, { mode })]);
  const files = shut.flatMap((mode) => [file(`m${mode}/f`, 'x'), file(`m${mode}/below/f`, 'x')]);

  function unpackAsUser(box: Sandbox, ...layers: readonly Buffer[][]): void {
    const home = join(box.root, 'dest');
    mkdirSync(home);
    chmodSync(box.root, 0o755);
    chmodSync(home, 0o777);
    for (const [index, layer] of layers.entries()) {
      const source = join(home, `layer${index}`);
      writeFileSync(source, tar(...layer));
      const options = { existing: 'merge', rootless: true } as const;
      const prefix = ['setpriv', '--reuid', '12345', '--regid', '12345', '--clear-groups'];
      const run = { source, destination: join(home, 'rootfs'), options };
      expect(runUnpack(run, { prefix })).toMatchObject({ result: {} });
    }
  }

  function expectModes(box: Sandbox): void {
    const tree = box.tree();
    for (const mode of shut)
      for (const path of [`m${mode}`, `m${mode}/below`])
        expect(tree.get(`rootfs/${path}`), path).toMatchObject({
          mode: `0${mode.toString(8).padStart(3, '0')}`,
          mtime: wanted(0),
        });
  }

  test('are filled, and have their modes in the end', ({ box }) => {
    unpackAsUser(box, [
      ...members,
      ...range(MANY).map(folder),
      ...range(MANY).map((index) => file(`d${index}/f`)),
      ...files,
    ]);
    expectModes(box);
    expect(box.read('rootfs/m0/below/f')).toBe('x');
  });

  test('are filled, listed again and emptied by later layers', ({ box }) => {
    const gone = shut.flatMap((mode) => [whiteout(`m${mode}/f`), opaque(`m${mode}/below`)]);
    unpackAsUser(box, members, files, members, gone);
    expectModes(box);
    expect(box.tree().has('rootfs/m0/below/f')).toBe(false);
    expect(box.tree().has('rootfs/m256/f')).toBe(false);
  });
});
