import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { describe, expect } from 'vitest';
import { unpackLayer } from '../../src/index.js';
import { failureOf, type Sandbox, test } from '../helpers/sandbox.js';
import { dir, file, tar } from '../helpers/tar-builder.js';

const noHang = { timeout: 20_000 };
const good = tar(file('f', 'new'));
const bad = Buffer.concat([file('f', 'new'), Buffer.alloc(512, 'x')]);

/** Names that begin as a staging directory's do. */
const hidden = (box: Sandbox) => readdirSync(dirname(box.dest)).filter((name) => name.startsWith('.'));
const unpackTo = (path: string, bytes = good) => unpackLayer(bytes, path);

describe('a destination that is not there', noHang, () => {
  test('is made, and belongs to all to see', async ({ box }) => {
    await box.unpack(good);
    expect(lstatSync(box.dest).mode & 0o7777).toBe(0o755);
    expect(box.read('f')).toBe('new');
    expect(hidden(box)).toEqual([]);
  });

  test('is seen only once it is whole', async ({ box }) => {
    async function* watched() {
      yield good.subarray(0, 1024);
      expect(box.exists()).toBe(false);
      yield good.subarray(1024);
      expect(box.exists()).toBe(false);
    }
    await box.unpack(watched());
    expect(box.exists()).toBe(true);
  });

  test('is not there after a failure', async ({ box }) => {
    await box.failure(bad);
    expect(hidden(box)).toEqual([]);
  });

  test('is relative to the working directory', async ({ box }) => {
    await unpackTo(relative(process.cwd(), box.dest));
    expect(box.read('f')).toBe('new');
  });

  test('its parent is not made', async ({ box }) => {
    const error = await failureOf(unpackTo(join(box.dest, 'deeper')));
    expect(error).toMatchObject({ code: 'NotFound' });
    expect(box.exists()).toBe(false);
  });

  test('its parent may be reached through a symlink', async ({ box }) => {
    mkdirSync(box.dest);
    symlinkSync('.', join(box.dest, 'link'));
    await unpackTo(join(box.dest, 'link', 'new'));
    expect(box.read('new/f')).toBe('new');
  });

  test.for([
    ['the longest name there is', 'x'.repeat(255)],
    ['a long name of many-byte characters', 'é'.repeat(127)],
    ['a name with spaces and quotes', `it's "here"`],
  ] as const)('%s', async ([, name], { box }) => {
    mkdirSync(box.dest);
    await unpackTo(join(box.dest, name));
    expect(readdirSync(box.dest)).toEqual([name]);
  });

  test('something else takes its name meanwhile: that stays, and nothing else does', async ({ box }) => {
    async function* slow() {
      yield good.subarray(0, 1024);
      await expect.poll(() => hidden(box)).toHaveLength(1);
      mkdirSync(box.dest);
      writeFileSync(join(box.dest, 'theirs'), '');
      yield good.subarray(1024);
    }
    expect(await failureOf(box.unpack(slow()))).toMatchObject({ code: 'AlreadyExists' });
    expect(readdirSync(box.dest)).toEqual(['theirs']);
    expect(hidden(box)).toEqual([]);
  });
});

describe('an empty directory', noHang, () => {
  test('is filled where it is', async ({ box }) => {
    mkdirSync(box.dest, { mode: 0o750 });
    const inode = lstatSync(box.dest).ino;
    await box.unpack(good);
    expect(box.read('f')).toBe('new');
    expect(lstatSync(box.dest)).toMatchObject({ ino: inode });
    expect(lstatSync(box.dest).mode & 0o7777).toBe(0o750);
  });

  test('is empty again after a failure', async ({ box }) => {
    mkdirSync(box.dest);
    expect(await failureOf(box.unpack(bad))).toMatchObject({ code: 'InvalidArgument' });
    expect(readdirSync(box.dest)).toEqual([]);
  });

  test('may be reached through a symlink', async ({ box }) => {
    mkdirSync(join(box.dest, 'real'), { recursive: true });
    symlinkSync('real', join(box.dest, 'link'));
    await unpackTo(join(box.dest, 'link'));
    expect(readlinkSync(join(box.dest, 'link'))).toBe('real');
    expect(box.read('real/f')).toBe('new');
  });
});

describe('a directory that holds something', noHang, () => {
  test('is refused', async ({ box }) => {
    mkdirSync(box.dest);
    writeFileSync(join(box.dest, 'mine'), 'mine');
    const error = await failureOf(box.unpack(good));
    expect(error).toMatchObject({ code: 'FailedPrecondition' });
    expect(error.hint).toContain('merge');
    expect(readdirSync(box.dest)).toEqual(['mine']);
  });

  test('is merged with when that is asked for', async ({ box }) => {
    mkdirSync(box.dest);
    writeFileSync(join(box.dest, 'mine'), 'mine');
    writeFileSync(join(box.dest, 'f'), 'old');
    await box.merge(file('f', 'new'), dir('d'));
    expect([...box.tree().keys()]).toEqual(['.', 'd', 'f', 'mine']);
    expect(box.read('f')).toBe('new');
  });

  test('merge: after a failure what was there stays, and the error says so', async ({ box }) => {
    mkdirSync(box.dest);
    writeFileSync(join(box.dest, 'mine'), 'mine');
    const error = await box.failure(bad, { existing: 'merge' });
    expect(error.hint).toContain('stay');
    expect(readFileSync(join(box.dest, 'mine'), 'utf8')).toBe('mine');
  });

  test('merge into nothing is a destination that is not there', async ({ box }) => {
    await box.merge(file('f', 'new'));
    expect(box.read('f')).toBe('new');
  });
});

describe('what is no directory', noHang, () => {
  test('a file is refused, with merge too', async ({ box }) => {
    writeFileSync(box.dest, 'a file');
    for (const existing of ['refuse', 'merge'] as const)
      expect(await failureOf(box.unpack(good, { existing }))).toMatchObject({ code: 'FailedPrecondition' });
    expect(readFileSync(box.dest, 'utf8')).toBe('a file');
  });

  test('a symlink that leads nowhere is refused before anything is done', async ({ box }) => {
    symlinkSync('nowhere', box.dest);
    expect(['AlreadyExists', 'FailedPrecondition', 'NotFound']).toContain(
      (await failureOf(box.unpack(good))).code,
    );
    expect(hidden(box)).toEqual([]);
    expect(readlinkSync(box.dest)).toBe('nowhere');
  });

  test('a symlink to itself', async ({ box }) => {
    symlinkSync(basename(box.dest), box.dest);
    expect(await failureOf(box.unpack(good))).toMatchObject({ code: expect.not.stringMatching('Internal') });
  });

  test('a path below a file', async ({ box }) => {
    writeFileSync(box.dest, 'a file');
    for (const path of ['x', 'x/y'])
      expect(['NotFound', 'FailedPrecondition']).toContain(
        (await failureOf(unpackTo(join(box.dest, path)))).code,
      );
  });

  test.for([
    ['too long a name', `/dev/shm/${'x'.repeat(256)}`],
    ['too long a path', `/dev/shm/${'x/'.repeat(3000)}`],
    ['a NUL', '/dev/shm/a\0b'],
  ] as const)('%s', async ([, path]) => {
    expect(['InvalidArgument', 'NotFound']).toContain((await failureOf(unpackTo(path))).code);
  });
});

describe('options that make no sense', noHang, () => {
  test.for([{ target: 'tree' }, { existing: 'overwrite' }, { digests: 'maybe' }])(
    '%o',
    async (options, { box }) => {
      expect(await box.failure(good, options as object)).toMatchObject({ code: 'InvalidArgument' });
    },
  );

  test('a lower layer that is not there', async ({ box }) => {
    expect(await box.failure(good, { lowers: [join(box.dest, 'none')] })).toMatchObject({ code: 'NotFound' });
  });
});

test('a parent directory where nothing can be made', async () => {
  // Root may write to any directory but such as these.
  const error = await failureOf(unpackTo('/proc/overlayer-test'));
  expect(['PermissionDenied', 'NotFound', 'FailedPrecondition']).toContain(error.code);
});
