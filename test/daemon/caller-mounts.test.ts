import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Mount } from '../../src/index.js';
import { useNamespace } from '../helpers/namespace-process.js';
import { failureOf } from '../helpers/sandbox.js';
import { smallErofs } from '../helpers/small-erofs.js';

const namespace = useNamespace('root');

interface Caller {
  readonly sees: boolean;
  readonly takesTemplates: boolean;
}

const OLD: Caller = { sees: true, takesTemplates: false };

/** Layers of which each has a file with its name; a directory to write to. */
function makeSnapshot(...names: readonly string[]) {
  const root = namespace.directory('disk');
  const files = names.map((name) => join(root, name));
  for (const [at, file] of files.entries()) writeFileSync(file, smallErofs({ [names[at]!]: '' }));
  return { root, layers: files.map((source): Mount => ({ type: 'erofs', source, options: ['ro'] })) };
}

/**
 * Converts mounts for a caller, and restores them as another process does.
 *
 * @returns the result, and the names in the tree that it shows; the layers that the restored mounts show
 */
function convert(root: string, mounts: readonly Mount[], caller: Caller) {
  return namespace.inside.run(
    async ({ overlayer, load, fs, path }, root, mounts, caller) => {
      const [{ CallerMounts }, { KeptMounts }] = await Promise.all([
        load<typeof import('../../src/daemon/snapshots/caller-mounts.js')>(
          'daemon/snapshots/caller-mounts.js',
        ),
        load<typeof import('../../src/mount/kept-mounts.js')>('mount/kept-mounts.js'),
      ]);
      const { shownLayers } =
        await load<typeof import('../../src/mount/shown-layers.js')>('mount/shown-layers.js');
      const files = () => fs.readdirSync(root).map((name) => path.join(root, name));
      const { sees, takesTemplates } = caller as unknown as Caller;
      const containerd = { sees: () => sees, takesTemplates: async () => takesTemplates };
      const open = () =>
        new CallerMounts(new KeptMounts(path.join(root, 'mounted'), files), containerd as never);
      const converter = open();
      const converted = await converter.convert(mounts as unknown as Mount[]);
      const names = await overlayer.withMount(converted, (directory) => fs.readdirSync(directory));
      const restored = open().restore(converted);
      const layers = shownLayers(restored)?.map((layer) => path.basename(layer.path)) ?? [];
      return {
        converted: converted as unknown as Mount[],
        names,
        restored: restored as unknown as Mount[],
        layers,
      };
    },
    root,
    mounts as never,
    { ...caller },
  ) as Promise<{ converted: Mount[]; names: string[]; restored: Mount[]; layers: string[] }>;
}

const overlayOf = (root: string, lowerdir: string): Mount => ({
  type: 'format/overlay',
  source: 'overlay',
  options: [`workdir=${root}/work`, `upperdir=${root}/fs`, `lowerdir=${lowerdir}`, 'index=off'],
});

test('mounts without EROFS files stay as they are', async () => {
  const { root } = makeSnapshot();
  const bind: Mount = { type: 'bind', source: root, options: ['rw', 'rbind'] };
  expect((await convert(root, [bind], OLD)).converted).toEqual([bind]);
});

test('a view of one layer is a bind mount of it', async () => {
  const { root, layers } = makeSnapshot('base');
  const [layer] = layers;
  const { converted, names, restored } = await convert(root, layers, OLD);
  expect(restored).toEqual(layers);
  expect(converted).toEqual([
    { type: 'bind', source: expect.stringMatching(`^${root}/mounted/\\d+-\\d+$`), options: ['ro', 'rbind'] },
  ]);
  expect(names).toEqual(['base']);
  const options = ['uidmap=0:1000:10', 'gidmap=0:1000:10'];
  const mapped = await convert(root, [{ ...layer!, options: [...options, 'ro'] }], OLD);
  expect(mapped.restored).toEqual([{ ...layer, options: [...options, 'ro'] }]);
  expect(mapped.converted).toEqual([{ ...converted[0]!, options: [...options, 'ro', 'rbind'] }]);
});

test('an overlay of layers is one of their directories', async () => {
  const { root, layers } = makeSnapshot('next', 'base');
  await namespace.inside.run(
    ({ fs }, root) => ['fs', 'work'].map((name) => fs.mkdirSync(`${root}/${name}`)),
    root,
  );
  const mounts = [...layers, overlayOf(root, '{{ overlay 0 1 }}')];
  const { converted, names, restored, layers: shown } = await convert(root, mounts, OLD);
  expect(restored.map(({ type }) => type)).toEqual(['erofs', 'erofs', 'format/overlay']);
  expect(shown).toEqual(['fs', 'next', 'base']);
  expect(converted).toEqual([
    {
      ...overlayOf(root, ''),
      type: 'overlay',
      options: expect.arrayContaining([expect.stringMatching(/^lowerdir=[^{:]+:[^{:]+$/)]),
    },
  ]);
  expect(names.sort()).toEqual(['base', 'next']);
});

test('a caller that does not see the mounts gets templates, or an error if it does not know them', async () => {
  const { root, layers } = makeSnapshot('base');
  expect((await convert(root, layers, { sees: false, takesTemplates: true })).converted).toEqual(layers);
  const refused = convert(root, layers, { sees: false, takesTemplates: false });
  expect(await failureOf(refused)).toMatchObject({
    code: 'FailedPrecondition',
    hint: expect.stringContaining('ProtectSystem='),
  });
});
