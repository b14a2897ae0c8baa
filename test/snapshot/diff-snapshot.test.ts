import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BACKENDS, type BackendName, TREE_BACKENDS } from '../helpers/backends.js';
import { decode } from '../helpers/decode.js';
import { type Inside, useNamespace } from '../helpers/namespace-process.js';
import { dir, file, hardlink, tar, whiteout } from '../helpers/tar-builder.js';
import { diffTrees, readTree } from '../helpers/tree.js';
import { entryText } from '../helpers/two-trees.js';

const ROOT = dir('./', { mode: 0o711, mtime: 3 });
const BASE = tar(
  ROOT,
  dir('d', { mode: 0o750 }),
  file('d/kept', 'kept'),
  file('d/gone', 'gone'),
  dir('replaced'),
  file('replaced/old', 'old'),
  file('linked', 'linked'),
  hardlink('again', 'linked'),
);
const NEXT = tar(ROOT, file('next', 'next'), whiteout('d/gone'));
/** What happens in a container. */
const CHANGES = `rm -r replaced; mkdir replaced; echo new > replaced/new; chmod 700 d/kept; rm next; mkfifo p
  mv d/kept d/moved; setfattr -n user.a -v b d; ln linked further`;

/** Two layers, and an active snapshot `web` on them that was changed. */
async function makeSnapshots(
  { overlayer, path, child }: Inside,
  directory: string,
  backend: BackendName,
  changes: string,
): Promise<void> {
  const snapshots = await overlayer.openSnapshotter({ root: path.join(directory, 'root'), backend });
  const layer = (name: string) => path.join(directory, `${name}.tar`);
  await overlayer.unpackSnapshot(snapshots, layer('base'), { name: 'base' });
  await overlayer.unpackSnapshot(snapshots, layer('next'), { name: 'next', parent: 'base' });
  const mounts = await snapshots.prepare('web', { parent: 'next' });
  await overlayer.withMount(
    mounts,
    (cwd) => child.execFileSync('bash', ['-euc', changes], { cwd }) && undefined,
  );
  await snapshots.close();
}

/** Writes a diff of a snapshot; and copies what the snapshot shows. @returns the names of all snapshots afterwards */
async function writeDiff(
  { overlayer, fs, path, child }: Inside,
  directory: string,
  backend: BackendName,
  key: string,
  output: string,
): Promise<string[]> {
  const snapshots = await overlayer.openSnapshotter({ root: path.join(directory, 'root'), backend });
  const diff = overlayer.diffSnapshot(snapshots, key, { compression: 'none' });
  await fs.promises.writeFile(path.join(directory, output), diff);
  const { kind } = await snapshots.stat(key);
  const mounts =
    kind === 'committed' ? await snapshots.view('look', { parent: key }) : await snapshots.mounts(key);
  await overlayer.withMount(mounts, (cwd) => {
    child.execFileSync('cp', ['--archive', '.', path.join(directory, `${output}.shown`)], { cwd });
  });
  if (kind === 'committed') await snapshots.remove('look');
  const names: string[] = [];
  for await (const { name } of snapshots.walk()) names.push(name);
  await snapshots.close();
  return names;
}

async function apply({ overlayer }: Inside, layer: string, to: string): Promise<void> {
  await overlayer.unpackLayer(layer, to, { existing: 'merge', sync: false });
}

async function commitWeb(
  { overlayer, path }: Inside,
  directory: string,
  backend: BackendName,
): Promise<void> {
  const snapshots = await overlayer.openSnapshotter({ root: path.join(directory, 'root'), backend });
  await snapshots.commit('web', { name: 'committed' });
  await snapshots.close();
}

describe.each(['root', 'user-namespace'] as const)('%s', (privileges) => {
  const namespace = useNamespace(privileges);

  function directoryOfLayers(): string {
    const directory = namespace.directory('disk');
    for (const [name, layer] of Object.entries({ base: BASE, next: NEXT }))
      writeFileSync(join(directory, `${name}.tar`), layer);
    return directory;
  }

  describe.each(privileges === 'root' ? BACKENDS : TREE_BACKENDS)('%s', (backend) => {
    test("what a snapshot changes in its parent's tree gives its own, active or committed", async () => {
      const directory = directoryOfLayers();
      const { inside } = namespace;
      await inside.run(makeSnapshots, directory, backend, CHANGES);
      const names = await inside.run(writeDiff, directory, backend, 'web', 'active.tar');
      expect(names, 'no view stays').toEqual(['base', 'next', 'web']);
      await inside.run(writeDiff, directory, backend, 'next', 'parent.tar');
      const parent = join(directory, 'parent.tar.shown');
      await inside.run(apply, join(directory, 'active.tar'), parent);
      expect(diffTrees(readTree(join(directory, 'active.tar.shown')), readTree(parent))).toEqual([]);

      await inside.run(commitWeb, directory, backend);
      const committed = await inside.run(writeDiff, directory, backend, 'committed', 'committed.tar');
      expect(committed).toEqual(['base', 'committed', 'next']);
      const [active, later] = ['active.tar', 'committed.tar'].map((name) =>
        readFileSync(join(directory, name)),
      );
      expect(later!.equals(active!), 'the same layer').toBe(true);
    });

    test('the lowest snapshot is all of its tree', async () => {
      const directory = directoryOfLayers();
      await namespace.inside.run(makeSnapshots, directory, backend, 'true');
      await namespace.inside.run(writeDiff, directory, backend, 'base', 'base-again.tar');
      const whole = join(directory, 'whole');
      await namespace.inside.run(apply, join(directory, 'base-again.tar'), whole);
      expect(diffTrees(readTree(join(directory, 'base-again.tar.shown')), readTree(whole))).toEqual([]);
    });
  });

  test('an upperdir lists what was changed, and nothing below', async () => {
    const directory = directoryOfLayers();
    await namespace.inside.run(
      makeSnapshots,
      directory,
      'overlay',
      'rm -r replaced; mkdir replaced; rm d/kept',
    );
    await namespace.inside.run(writeDiff, directory, 'overlay', 'web', 'web.tar');
    const entries = decode(readFileSync(join(directory, 'web.tar'))).map(entryText);
    expect(entries).toEqual([
      './ 0711',
      'd/ 0750',
      'd/.wh.kept 0000',
      'replaced/ 0755',
      'replaced/.wh..wh..opq 0000',
    ]);
  });
});

describe('mounts', () => {
  const namespace = useNamespace('root');

  /** Snapshots, and diffs between the mounts of any two of them. */
  async function diffBetween(
    { overlayer, fs, path }: Inside,
    directory: string,
    left: string | null,
    right: string,
  ): Promise<{ mounted: number; attached: number }> {
    const snapshots = await overlayer.openSnapshotter({
      root: path.join(directory, 'root'),
      backend: 'overlay',
    });
    const mountsOf = async (name: string) => {
      const { kind } = await snapshots.stat(name);
      return kind === 'committed' ? snapshots.view(`view ${name}`, { parent: name }) : snapshots.mounts(name);
    };
    const diff = overlayer.diffMounts(left === null ? [] : await mountsOf(left), await mountsOf(right), {
      compression: 'none',
    });
    const temporary = path.join(directory, 'tmp');
    fs.mkdirSync(temporary);
    process.env['TMPDIR'] = temporary;
    const readMounts = (file: string) => fs.readFileSync(`/proc/self/${file}`, 'utf8').split('\n');
    const before = readMounts('mounts').length;
    let [mounted, attached] = [0, 0];
    const chunks: Uint8Array[] = [];
    for await (const chunk of diff) {
      chunks.push(chunk);
      // A mount that is attached nowhere is seen by its descriptor only: it has another device than what is mounted.
      const devices = new Set(readMounts('mountinfo').map((line) => line.split(' ')[2]));
      const open = fs.readdirSync('/proc/self/fd').flatMap((name) => {
        const stat = fs.statSync(`/proc/self/fd/${name}`, { throwIfNoEntry: false });
        return stat?.isDirectory() ? [`${stat.dev >>> 8}:${stat.dev & 0xff}`] : [];
      });
      mounted = new Set(open.filter((device) => !devices.has(device))).size;
      attached = readMounts('mounts').length - before + fs.readdirSync(temporary).length;
    }
    fs.writeFileSync(path.join(directory, 'between.tar'), Buffer.concat(chunks));
    for (const name of [left, right])
      if (name !== null && name !== 'web') await snapshots.remove(`view ${name}`);
    await snapshots.close();
    return { mounted, attached };
  }

  async function directory(): Promise<string> {
    const made = namespace.directory('disk');
    for (const [name, layer] of Object.entries({ base: BASE, next: NEXT }))
      writeFileSync(join(made, `${name}.tar`), layer);
    await namespace.inside.run(makeSnapshots, made, 'overlay', CHANGES);
    await namespace.inside.run(writeDiff, made, 'overlay', 'web', 'web.tar');
    return made;
  }

  test('of one layer upon the others: nothing is mounted', async () => {
    const made = await directory();
    expect(await namespace.inside.run(diffBetween, made, 'next', 'web')).toEqual({ mounted: 0, attached: 0 });
    expect(readFileSync(join(made, 'between.tar')).equals(readFileSync(join(made, 'web.tar')))).toBe(true);
  });

  test.for([
    ['several layers', 'base', 'web', 1],
    ['all of it', null, 'web', 1],
    ['less than there was', 'web', 'base', 1],
  ] as const)(
    '%s: the mounted trees are compared, and a kill would leave nothing',
    async ([, left, right, mounted]) => {
      const made = await directory();
      expect(await namespace.inside.run(diffBetween, made, left, right)).toEqual({ mounted, attached: 0 });
      const applied = join(made, 'applied');
      if (left !== null) {
        await namespace.inside.run(writeDiff, made, 'overlay', left, 'left.tar');
        renameSync(join(made, 'left.tar.shown'), applied);
      }
      await namespace.inside.run(writeDiff, made, 'overlay', right, 'right.tar');
      await namespace.inside.run(apply, join(made, 'between.tar'), applied);
      expect(diffTrees(readTree(join(made, 'right.tar.shown')), readTree(applied))).toEqual([]);
    },
  );

  test('none at all', async () => {
    const nothing = namespace.inside.run(async ({ overlayer }) => {
      for await (const _ of overlayer.diffMounts([], [])) return;
    });
    await expect(nothing).rejects.toMatchObject({ code: 'InvalidArgument' });
  });
});
