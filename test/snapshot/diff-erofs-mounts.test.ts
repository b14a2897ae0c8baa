import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { ErofsTree } from '../../src/erofs/index.js';
import { diffMounts, type Mount } from '../../src/index.js';
import { decode } from '../helpers/decode.js';
import { layerFileOf } from '../helpers/layer-file.js';
import { useNamespace } from '../helpers/namespace-process.js';
import { failureOf } from '../helpers/sandbox.js';
import { smallErofs } from '../helpers/small-erofs.js';
import { file, tar } from '../helpers/tar-builder.js';
import { sha256 } from '../helpers/tree.js';

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

/** A layer file above another one. Its tar has an entry that no tree would give. */
function storedLayer(): { readonly mounts: readonly Mount[]; readonly file: string; readonly layer: Buffer } {
  const root = namespace.directory();
  const layer = tar(file('a', 'one', { mtime: 5 }), file('a', 'two'));
  writeFileSync(join(root, 'next.erofs'), layerFileOf(layer, new ErofsTree()));
  const mounts = JSON.parse(JSON.stringify(BOTH).replaceAll('ROOT', root));
  return { mounts, file: join(root, 'next.erofs'), layer };
}

test('a layer file gives its tar, byte for byte, without a mount', async () => {
  const { mounts, layer } = storedLayer();
  const diff = diffMounts([mounts[1]!], mounts, { compression: 'gzip' });
  const chunks: Uint8Array[] = [];
  for await (const chunk of diff) chunks.push(chunk);
  expect(gunzipSync(Buffer.concat(chunks)).equals(layer)).toBe(true);
  const diffID = `sha256:${sha256(layer)}`;
  expect(await diff).toMatchObject({ diffID, size: layer.length, whiteouts: 0 });
});

test('a damaged tar in a layer file is an error that names the file', async () => {
  const { mounts, file } = storedLayer();
  const damaged = openSync(file, 'r+');
  writeSync(damaged, 'x', 4096 + 512);
  closeSync(damaged);
  const diff = (async () => await diffMounts([mounts[1]!], mounts))();
  expect(await failureOf(diff)).toMatchObject({
    code: 'DataLoss',
    message: expect.stringContaining(file),
    hint: expect.stringContaining('layer verify'),
  });
});
