import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { convertWhiteouts } from '../../src/snapshot/trees/convert-whiteouts.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { isErrno } from '../../src/system/system.js';
import { FaultySystem } from '../helpers/faulty-system.js';
import { type Inside, NamespaceProcess, useNamespace } from '../helpers/namespace-process.js';
import { refuseDevices } from '../helpers/refuse-devices.js';
import { dir, file, opaque, tar, whiteout } from '../helpers/tar-builder.js';
import { readTree, type Tree } from '../helpers/tree.js';
import { inWorkDirectory } from '../helpers/work-directory.js';

// Earlier versions kept whiteouts without privileges as attributes: a store may have layers of both kinds.

const LAYERS = [
  tar(dir('d', { mode: 0o555, mtime: 5 }), file('d/a', 'a'), file('d/b', 'b'), file('e/c', 'c'), file('f')),
  tar(whiteout('d/a'), whiteout('d/b'), whiteout('e/c'), whiteout('f'), dir('o'), opaque('o')),
];

/** Unpacks the layers into a store whose process may make no devices, as an earlier version did. */
async function makeOldStore(directory: string): Promise<void> {
  for (const [number, layer] of LAYERS.entries()) writeFileSync(join(directory, `${number}.tar`), layer);
  const earlier = await NamespaceProcess.start('user-namespace');
  try {
    await refuseDevices(earlier);
    await earlier.run(
      async ({ overlayer, path }, directory, count) => {
        const snapshots = await overlayer.openSnapshotter({ root: path.join(directory, 'root') });
        for (let number = 0; number < count; number++)
          await overlayer.unpackSnapshot(snapshots, path.join(directory, `${number}.tar`), {
            name: `layer ${number}`,
            parent: number === 0 ? undefined : `layer ${number - 1}`,
          });
        await snapshots.close();
      },
      directory,
      LAYERS.length,
    );
  } finally {
    await earlier.close();
  }
}

/** Opens the store, checks it, and does what a container would, in a mount. @returns what was found */
async function useStore({ overlayer, path, child }: Inside, directory: string) {
  const snapshots = await overlayer.openSnapshotter({ root: path.join(directory, 'root') });
  try {
    const { findings } = await snapshots.check();
    const mounts = await snapshots.prepare('container', { parent: 'layer 1' });
    const names = await overlayer.withMount(mounts, async (mounted) =>
      child.execFileSync('sh', ['-c', 'rmdir d && mv e moved && ls'], { cwd: mounted, encoding: 'utf8' }),
    );
    return { damage: findings.map(({ path, detail }) => `${path}: ${detail}`), names };
  } finally {
    await snapshots.close();
  }
}

const layer = (directory: string) => readTree(join(directory, 'root', 'snapshots', '2', 'fs'));

const whiteouts = (tree: Tree) =>
  [...tree].filter(([, { type }]) => type === 'character-device').map(([path]) => path);

describe('a store of an earlier version', () => {
  const namespace = useNamespace('user-namespace');

  test('is converted when it is opened: its directories can be removed and renamed, and nothing is damaged', async () => {
    const directory = namespace.directory('disk');
    await makeOldStore(directory);
    const before = layer(directory);
    expect(whiteouts(before)).toEqual([]);
    expect(before.get('d')?.xattrs).toMatchObject({ 'user.overlay.opaque': 'x' });

    expect(await namespace.inside.run(useStore, directory)).toEqual({ damage: [], names: 'moved\no\n' });

    const after = layer(directory);
    expect(whiteouts(after)).toEqual(['d/a', 'd/b', 'e/c', 'f']);
    for (const path of ['.', 'd', 'e', 'o']) {
      const { mode, mtime } = before.get(path)!;
      expect(after.get(path), path).toMatchObject({ mode, mtime });
    }
    expect(after.get('d')?.xattrs).toEqual({ 'user.overlay.origin': '' });
    expect(after.get('o')?.xattrs).toMatchObject({ 'user.overlay.opaque': 'y' });
  });
});

describe('a conversion that ends in the midst of it', () => {
  /** A layer with two directories that have such whiteouts, one below the other. */
  function makeLayer(at: (name: string) => string): void {
    const script = `mkdir -p fs/d/e scratch; cd fs; touch f d/a d/b d/e/c d/own
      for name in d/a d/b d/e/c; do setfattr -n user.overlay.whiteout -v y $name; done
      for name in d d/e; do setfattr -n user.overlay.opaque -v x $name; touch -d @7.5 $name; done`;
    execFileSync('sh', ['-ec', script], { cwd: at('.') });
  }

  const hidden = (tree: Tree) =>
    [...tree]
      .filter(([, { device, xattrs }]) => device === '0:0' || Object.hasOwn(xattrs, 'user.overlay.whiteout'))
      .map(([path]) => path);

  test.each(['setXattr', 'makeNode', 'rename', 'setTimes', 'removeXattr', 'syncFileSystem'] as const)(
    '(at %s) hides the same, and goes on where it was',
    async (method) => {
      const real = openLinuxSystem();
      for (let call = 1, failed = true; failed; call++)
        await inWorkDirectory(async (at) => {
          makeLayer(at);
          const request = { tree: at('fs'), scratch: at('scratch') };
          const { system } = new FaultySystem(real, { method, call, errno: 'EIO' });
          try {
            convertWhiteouts(system, request);
            failed = false;
          } catch (error) {
            if (!isErrno(error, 'EIO')) throw error;
          }
          expect(hidden(readTree(at('fs')))).toEqual(['d/a', 'd/b', 'd/e/c']);

          convertWhiteouts(real, request);
          const tree = readTree(at('fs'));
          expect(hidden(tree)).toEqual(['d/a', 'd/b', 'd/e/c']);
          expect(tree.get('d/own')?.type).toBe('file');
          for (const path of ['d', 'd/e'])
            expect(tree.get(path), path).toMatchObject({ mtime: 7_500_000_000n, xattrs: {} });
          for (const path of hidden(tree)) expect(tree.get(path)?.type).toBe('character-device');
          expect(readdirSync(at('scratch'))).toEqual([]);
        });
    },
  );
});
