import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { openLinuxSystem } from '../../system/linux.js';
import { AT_FDCWD, S } from '../../system/system.js';
import { type Change, cases } from '../suite-context.js';

/** Layers of the deepest snapshot. Docker's bound and containerd's test have 128; overlayfs accepts 500. */
const DEEP = 128;

function write(directory: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

const remove = (directory: string, name: string) => rmSync(join(directory, name), { recursive: true });

/** Makes a directory with an exact mode, independent of the umask. */
function make(directory: string, name: string, mode: number, owner = 0): void {
  mkdirSync(join(directory, name), { recursive: true });
  chownSync(join(directory, name), owner, owner);
  chmodSync(join(directory, name), mode);
}

const file =
  (name: string, text: string): Change =>
  (directory) =>
    write(directory, { [name]: text });

export const layerCases = cases({
  'layers add, change and remove': async (context) => {
    const { snapshots } = context;
    const last = await context.checkLayers([
      (at) => write(at, { foo: 'foo', 'a/b/c': 'c' }),
      (at) => {
        write(at, { foo: 'changed', bar: 'bar' });
        remove(at, 'a/b');
      },
    ]);
    assert.equal((await snapshots.stat(last)).parent, 'layer 0');
    const active = await snapshots.prepare('next', { parent: last });
    await context.mounted(active, (at) => {
      assert.equal(lstatSync(join(at, 'a')).isDirectory(), true);
      assert.throws(() => lstatSync(join(at, 'a/b')), { code: 'ENOENT' });
    });
  },

  // docker#21555
  'a file changes and keeps its size and time': async (context) => {
    const at = new Date(1_600_000_000_000);
    const change =
      (text: string, mode: number): Change =>
      (directory) => {
        write(directory, { 'etc/file': text });
        chmodSync(join(directory, 'etc/file'), mode);
        utimesSync(join(directory, 'etc/file'), at, at);
      };
    await context.checkLayers([
      change('one', 0o644),
      change('two', 0o644),
      change('two', 0o666),
      change('one', 0o666),
    ]);
  },

  // docker#25244
  'a directory is removed and made again': async (context) => {
    await context.checkLayers([
      (at) => write(at, { 'lib/hidden': '', 'lib/a/b': '' }),
      (at) => {
        remove(at, 'lib');
        write(at, { 'lib/not-hidden': '' });
      },
      file('lib/newfile', ''),
    ]);
  },

  // docker#20240, #24913, #28391
  'owners change': async (context) => {
    await context.checkLayers([
      (at) => {
        write(at, { 'opt/a/b/file': 'text' });
        for (const name of ['opt', 'opt/a', 'opt/a/b', 'opt/a/b/file']) chownSync(join(at, name), 1, 1);
      },
      (at) => {
        for (const name of ['opt', 'opt/a', 'opt/a/b/file']) chownSync(join(at, name), 2, 2);
      },
    ]);
  },

  // docker#27298
  'owners and modes of directories that are changed, removed, and made again': async (context) => {
    await context.checkLayers([
      (at) => {
        make(at, 'dir1', 0o700, 1);
        make(at, 'dir2', 0o711, 1);
        make(at, 'dir3', 0o755);
        make(at, 'dir3/sub', 0o1777, 2);
        make(at, 'dir4', 0o2775, 3);
        write(at, { 'dir4/f': '' });
      },
      (at) => {
        remove(at, 'dir1');
        make(at, 'dir1', 0o755, 2);
        make(at, 'dir2', 0o700, 1);
        remove(at, 'dir3/sub');
        remove(at, 'dir4');
      },
      (at) => {
        make(at, 'dir1', 0o700);
        make(at, 'dir3/sub', 0o700);
        make(at, 'dir4', 0o755);
        write(at, { 'dir1/f': '', 'dir2/f': '' });
      },
    ]);
  },

  'a snapshot inherits mode and owner of the root directory': async (context) => {
    await context.checkLayers([
      (at) => {
        chownSync(at, 3, 4);
        chmodSync(at, 0o750);
      },
      file('a', ''),
      (at) => chmodSync(at, 0o711),
      file('b', ''),
    ]);
  },

  'deleted files stay deleted in upper layers': async (context) => {
    await context.checkLayers([
      (at) => write(at, { 'foo/bar': '', baz: '' }),
      (at) => {
        remove(at, 'foo/bar');
        remove(at, 'baz');
      },
      () => {},
      file('other', ''),
    ]);
  },

  'a file of a parent gets another name, and loses its first one': async (context) => {
    await context.checkLayers([
      (at) => write(at, { 'dir1/f1': 'f1', 'dir2/f2': 'f2' }),
      (at) => {
        remove(at, 'dir1');
        write(at, { 'dir3/f1': 'f1 again' });
        linkSync(join(at, 'dir2/f2'), join(at, 'dir3/f2'));
        unlinkSync(join(at, 'dir2/f2'));
      },
    ]);
  },

  'hard links stay together within a layer': async (context) => {
    await context.checkLayers([
      (at) => {
        write(at, { 'a/one': 'text' });
        mkdirSync(join(at, 'b'));
        linkSync(join(at, 'a/one'), join(at, 'b/two'));
        linkSync(join(at, 'a/one'), join(at, 'three'));
      },
      file('other', ''),
    ]);
  },

  'files are renamed, also over other files': async (context) => {
    const rename =
      (from: string, to: string): Change =>
      (at) =>
        renameSync(join(at, from), join(at, to));
    await context.checkLayers([
      (at) => write(at, { 'a/f1': '1', 'a/f2': '2', 'b/f3': '3' }),
      (at) => {
        rename('a/f1', 'a/f2')(at);
        rename('b/f3', 'a/f4')(at);
        write(at, { 'new/x': '' });
        rename('new', 'renamed')(at);
      },
      ...(context.renamesDirectories ? [rename('a', 'c'), rename('c', 'b/c')] : []),
    ]);
  },

  'links, devices and pipes keep their types': async (context) => {
    await context.checkLayers([
      (at) => {
        write(at, { file: 'text' });
        symlinkSync('file', join(at, 'relative'));
        symlinkSync('/etc/../nowhere', join(at, 'absolute'));
        const system = openLinuxSystem();
        system.makeNode(AT_FDCWD, join(at, 'pipe'), S.IFIFO | 0o600, 0, 0);
        system.makeNode(AT_FDCWD, join(at, 'null'), S.IFCHR | 0o600, 1, 3);
        chownSync(join(at, 'null'), 5, 6);
      },
      (at) => {
        unlinkSync(join(at, 'file'));
        symlinkSync('relative', join(at, 'file'));
        unlinkSync(join(at, 'null'));
        write(at, { 'null/now/a-file': '' });
      },
      (at) => remove(at, 'pipe'),
    ]);
  },

  'changes in a child do not change the parent': async (context) => {
    const { snapshots } = context;
    const plain: Change = (at) => write(at, { file: 'text', 'folder/inner': 'inner' });
    await context.commitLayer('p', undefined, plain);
    const mounts = await snapshots.prepare('a', { parent: 'p' });
    await context.mounted(mounts, (at) => {
      appendFileSync(join(at, 'file'), ' and more');
      remove(at, 'folder');
    });
    const expected = await context.commitLayer('same', undefined, plain);
    assert.equal(expected.name, 'same');
    await context.mounted(await snapshots.view('v', { parent: 'same' }), (at) => context.checkTree('p', at));
  },

  [`${DEEP} layers`]: async (context) => {
    await context.checkLayers(
      Array.from(
        { length: DEEP },
        (_, number): Change =>
          (at) => {
            write(at, { bottom: `${number}`, [`dir${number}/file`]: 'text', 'shared/file': `${number}` });
            if (number > 0) remove(at, `dir${number - 1}`);
            if (number % 8 === 0) write(at, { [`kept/${number}`]: '' });
          },
      ),
    );
  },
});
