import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { unpackLayer } from '../../../src/index.js';
import { decode } from '../../helpers/decode.js';
import { makeDiff } from '../../helpers/make-diff.js';
import { MountNamespace, NOBODY } from '../../helpers/mount-namespace.js';
import { failureOf } from '../../helpers/sandbox.js';
import { diffTrees, type Ignored, readTree } from '../../helpers/tree.js';
import { entryText, inShell } from '../../helpers/two-trees.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';
import { setXattr } from '../../helpers/xattrs.js';

// What the kernel itself leaves in an upperdir, and what we do.

const LOWER = `mkdir d e; echo -n lower > d/f; echo -n other > d/g; echo -n e > e/f; ln -s f d/s
  setfattr -n user.a -v b d/f`;

describe.each(['root', 'user-namespace'] as const)('as %s', (privileges) => {
  let namespace: MountNamespace;
  beforeAll(async () => {
    namespace = await MountNamespace.start(privileges);
  });
  afterAll(() => namespace.close());

  /** Changes a mounted overlay. @returns the entries of the upperdir's layer, and how it differs from what is seen */
  async function change(script: string, options: readonly string[] = []) {
    const root = makeWorkDirectory('disk');
    const lower = join(root, 'lower');
    mkdirSync(lower);
    inShell(lower, LOWER);
    if (privileges !== 'root') execFileSync('chown', ['-hR', `${NOBODY}:${NOBODY}`, root]);
    const own = privileges === 'root' ? [] : ['userxattr'];
    const mounted = await namespace.mountWritable(root, [lower], [...own, ...options]);
    onTestFinished(async () => {
      await namespace.unmount(mounted.seen);
      rmSync(root, { recursive: true });
    });
    await namespace.run(`cd '${mounted.path}' && { ${script}; } && touch -r '${lower}' .`);
    return { root, lower, ...mounted };
  }

  test.for([
    ['nothing', 'true', []],
    ['a file that is removed', 'rm d/f', ['d/ 0755', 'd/.wh.f 0000']],
    ['a directory that is removed', 'rm -r d', ['.wh.d 0000']],
    [
      'a directory that is removed and made anew',
      'rm -r d; mkdir d; echo -n new > d/n',
      ['d/ 0755', 'd/.wh..wh..opq 0000', 'd/n 0644 new'],
    ],
    ['a file that is renamed', 'mv d/f d/h', ['d/ 0755', 'd/.wh.f 0000', 'd/h 0644 lower']],
    [
      'a directory that is renamed',
      'cp -a d c; rm -r d',
      ['c/ 0755', 'c/f 0644 lower', 'c/g 0644 other', 'c/s -> f', '.wh.d 0000'],
    ],
    ['a mode', 'chmod 600 d/f', ['d/ 0755', 'd/f 0600 lower']],
    ["a directory's mode", 'chmod 700 e', ['e/ 0700']],
    ['a hard link to a lower file', 'ln e/f e/l', ['e/ 0755', 'e/f 0644 e', 'e/l = e/f']],
    ['a file in the place of a directory', 'rm -r d; echo -n file > d', ['d 0644 file']],
    [
      'a directory in the place of a file',
      'rm d/g; mkdir d/g',
      ['d/ 0755', 'd/g/ 0755', 'd/g/.wh..wh..opq 0000'],
    ],
  ] as const)('%s', async ([, script, entries]) => {
    const { lower, upper, seen, root } = await change(script);
    const { layer } = await makeDiff({ lowers: [lower], upper });
    expect(
      decode(layer)
        .filter(({ path }) => path !== './')
        .map(entryText),
    ).toEqual(entries);
    expect(decode(layer).flatMap(({ xattrs }) => [...(xattrs?.keys() ?? [])])).not.toContain(
      expect.stringContaining('overlay'),
    );
    const applied = join(root, 'applied');
    execFileSync('cp', ['--archive', lower, applied]);
    await unpackLayer(layer, applied, { existing: 'merge', sync: false });
    // Without privileges overlayfs does not show that a copy of a lower file and its new name are one.
    const ignored: Ignored = privileges === 'root' ? [] : ['linkOf'];
    expect(diffTrees(readTree(seen), readTree(applied), ignored)).toEqual([]);
  });

  test('a socket in the place of a file hides it, elsewhere it is nothing', async () => {
    const bind = (path: string) =>
      `python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("${path}")'`;
    const { lower, upper } = await change(`rm d/f; ${bind('d/f')}; ${bind('s')}`);
    const { layer } = await makeDiff({ lowers: [lower], upper });
    expect(decode(layer).map(({ path }) => path)).toEqual(['d/', 'd/.wh.f']);
  });
});

describe('entries whose content is somewhere else', () => {
  let namespace: MountNamespace;
  beforeAll(async () => {
    namespace = await MountNamespace.start('root');
  });
  afterAll(() => namespace.close());

  test.for([
    ['redirect_dir=on', 'mv d c', 'c', 'renamed'],
    ['metacopy=on', 'chmod 600 d/f', 'd/f', 'content'],
  ] as const)(
    'an upperdir of a mount with %s is refused, and the mounted trees tell',
    async ([option, script, entry, why]) => {
      const root = makeWorkDirectory('disk');
      const lower = join(root, 'lower');
      mkdirSync(lower);
      inShell(lower, LOWER);
      const { path, seen, upper } = await namespace.mountWritable(root, [lower], [option]);
      onTestFinished(async () => {
        await namespace.unmount(seen);
        rmSync(root, { recursive: true });
      });
      await namespace.run(`cd '${path}' && ${script}`);
      const error = await failureOf(makeDiff({ lowers: [lower], upper }));
      expect(error).toMatchObject({ code: 'Unimplemented', entry });
      expect(error.message).toContain(why);
      const { layer } = await makeDiff({ lower, upper: seen });
      const applied = join(root, 'applied');
      execFileSync('cp', ['--archive', lower, applied]);
      await unpackLayer(layer, applied, { existing: 'merge', sync: false });
      expect(diffTrees(readTree(seen), readTree(applied))).toEqual([]);
    },
  );
});

describe('upperdirs as unpacking leaves them', () => {
  function upperdir(script: string): string {
    const upper = makeWorkDirectory();
    onTestFinished(() => rmSync(upper, { recursive: true }));
    inShell(upper, script);
    return upper;
  }

  test('whiteouts in the form of attributes', async () => {
    const upper = upperdir('mkdir d; touch d/gone d/empty');
    setXattr(join(upper, 'd'), 'user.overlay.opaque', 'x');
    setXattr(join(upper, 'd/gone'), 'user.overlay.whiteout', 'y');
    const { layer, whiteouts } = await makeDiff({ lowers: [], upper });
    expect(decode(layer).map(({ path }) => path)).toEqual(['./', 'd/', 'd/empty', 'd/.wh.gone']);
    expect(whiteouts).toBe(1);
  });

  test('an attribute of the image that overlayfs would take for its own is given back unescaped', async () => {
    const upper = upperdir('touch f');
    setXattr(join(upper, 'f'), 'trusted.overlay.overlay.opaque', 'y');
    setXattr(join(upper, 'f'), 'trusted.overlay.origin', 'z');
    const { layer } = await makeDiff({ lowers: [], upper });
    expect([...decode(layer)[1]!.xattrs!.keys()]).toEqual(['trusted.overlay.opaque']);
  });

  test('the root is an entry where it is not as the nearest lower one', async () => {
    const upper = upperdir('mkdir lower upper; chmod 711 upper; touch -r lower upper');
    const source = { lowers: [join(upper, 'lower')], upper: join(upper, 'upper') };
    expect(decode((await makeDiff(source)).layer).map(entryText)).toEqual(['./ 0711']);
  });
});
