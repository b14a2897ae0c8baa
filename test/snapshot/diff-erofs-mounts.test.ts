import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Mount } from '../../src/index.js';
import { decode } from '../helpers/decode.js';
import { useNamespace } from '../helpers/namespace-process.js';
import { smallErofs } from '../helpers/small-erofs.js';

const namespace = useNamespace('root');

/** `ROOT` stands for a directory with the layers `base.erofs` and `next.erofs`, `fs` and `work`. */
const BASE: Mount = { type: 'erofs', source: 'ROOT/base.erofs', options: ['ro'] };
const NEXT: Mount = { type: 'erofs', source: 'ROOT/next.erofs', options: ['ro'] };
const BOTH: readonly Mount[] = [
  NEXT,
  BASE,
  { type: 'format/overlay', source: 'overlay', options: ['lowerdir={{ overlay 0 1 }}'] },
];
const ACTIVE: readonly Mount[] = [
  NEXT,
  BASE,
  {
    type: 'format/mkdir/overlay',
    source: 'overlay',
    options: ['workdir=ROOT/work', 'upperdir=ROOT/fs', 'lowerdir={{ overlay 0 1 }}', 'index=off'],
  },
];

/** @returns the names of the entries, and the mounts and files that are left */
async function namesOfDiff(left: readonly Mount[], right: readonly Mount[]) {
  const root = namespace.directory('disk');
  writeFileSync(join(root, 'base.erofs'), smallErofs({ base: 'base', shared: 'of base' }));
  writeFileSync(join(root, 'next.erofs'), smallErofs({ next: 'next', shared: 'of next' }));
  const remains = await namespace.inside.run(
    async ({ overlayer, fs, path }, root, left, right) => {
      const at = (name: string) => path.join(root, name);
      for (const name of ['fs', 'work', 'temporary']) fs.mkdirSync(at(name));
      process.env['TMPDIR'] = at('temporary');
      const mounts = (text: string) => JSON.parse(text.replaceAll('ROOT', root)) as Mount[];
      await overlayer.withMount(mounts(right), (directory) => {
        if (!right.includes('upperdir')) return;
        fs.rmSync(path.join(directory, 'base'));
        fs.writeFileSync(path.join(directory, 'written'), '');
      });
      const before = fs.readFileSync('/proc/self/mountinfo', 'utf8');
      const diff = overlayer.diffMounts(mounts(left), mounts(right), { compression: 'none' });
      await fs.promises.writeFile(at('layer.tar'), diff);
      return {
        temporary: fs.readdirSync(at('temporary')),
        mounts: fs.readFileSync('/proc/self/mountinfo', 'utf8') === before ? 'as before' : 'others',
      };
    },
    root,
    JSON.stringify(left),
    JSON.stringify(right),
  );
  expect(remains).toEqual({ temporary: [], mounts: 'as before' });
  return decode(readFileSync(join(root, 'layer.tar'))).map(({ path }) => path);
}

test('changes in an upperdir over EROFS files', async () => {
  expect(await namesOfDiff(BOTH, ACTIVE)).toEqual(['./', '.wh.base', 'written']);
});

test('a layer that is one EROFS file, above another', async () => {
  expect(await namesOfDiff([BASE], BOTH)).toEqual(['next', 'shared']);
});

test('the first layer, an EROFS file', async () => {
  expect(await namesOfDiff([], [BASE])).toEqual(['./', 'base', 'shared']);
});

test('two layers that the left side lacks', async () => {
  expect(await namesOfDiff([], BOTH)).toEqual(['./', 'base', 'next', 'shared']);
});
