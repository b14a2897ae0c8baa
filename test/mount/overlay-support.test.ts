import { execFileSync } from 'node:child_process';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { OverlaySupport } from '../../src/mount/overlay-support.js';
import { type Namespace, useNamespace } from '../helpers/namespace-process.js';
import { failureOf } from '../helpers/sandbox.js';
import { dir, opaque, tar, whiteout } from '../helpers/tar-builder.js';

const SUPPORTED: OverlaySupport = {
  supported: true,
  reason: undefined,
  userxattr: false,
  indexOff: true,
  lowerdirAppend: true,
  whiteoutDevices: true,
  idmapped: true,
};

/** Probes, perhaps after a shell command, and finds the directory as it was. */
async function probe({ inside }: Namespace, directory: string, prepare = ':'): Promise<OverlaySupport> {
  const { support, before, after } = await inside.run(
    async ({ child, fs, load }, directory, prepare) => {
      child.execFileSync('sh', ['-c', prepare]);
      type Module = typeof import('../../src/mount/overlay-support.js');
      const { probeOverlay } = await load<Module>('mount/overlay-support.js');
      const look = () => ({
        names: fs.readdirSync(directory),
        mounts: fs.readFileSync('/proc/self/mountinfo', 'utf8'),
        descriptors: fs.readdirSync('/proc/self/fd').length,
      });
      const before = look();
      const support = await probeOverlay(directory);
      // Its mounts go a moment later, with their descriptors.
      while (look().descriptors > before.descriptors) await new Promise(setImmediate);
      return { support, before, after: look() };
    },
    directory,
    prepare,
  );
  expect(after).toEqual(before);
  return support;
}

describe('root', () => {
  const namespace = useNamespace('root');

  test.each(['fast', 'disk'] as const)('%s', async (where) => {
    expect(await probe(namespace, namespace.directory(where))).toEqual(SUPPORTED);
  });

  test.each(['probeDetached', 'probeInThread'] as const)('%s finds out all of it', async (way) => {
    const found = await namespace.inside.run(
      async ({ load }, directory, way) => {
        type Module = typeof import('../../src/mount/overlay-support.js');
        return await (await load<Module>('mount/overlay-support.js'))[way](directory);
      },
      namespace.directory(),
      way,
    );
    expect(found).toEqual(SUPPORTED);
  });

  test('a directory with the characters that separate layers', async () => {
    const directory = join(namespace.directory(), 'a:b,c\\d');
    mkdirSync(directory);
    expect(await probe(namespace, directory)).toEqual(SUPPORTED);
  });

  test('a file system that does not list types', async () => {
    const directory = namespace.directory('disk');
    const [image, mounted] = [join(directory, 'image'), join(directory, 'mounted')];
    mkdirSync(mounted);
    writeFileSync(image, '');
    truncateSync(image, 16 * 1024 ** 2);
    execFileSync('mkfs.ext4', ['-q', '-F', '-O', '^filetype', image]);
    const support = await probe(namespace, mounted, `mount -o loop '${image}' '${mounted}'`);
    expect(support).toMatchObject({ supported: false, reason: expect.stringContaining('d_type') });
    await namespace.inside.run(({ overlayer }, mounted) => overlayer.unmountAll(mounted), mounted);
  });

  test('a file system that has no extended attributes: a layer in overlay form says so, too', async () => {
    const directory = namespace.directory();
    const support = await probe(namespace, directory, `mount -t ramfs ramfs '${directory}'`);
    expect(support).toMatchObject({
      supported: false,
      reason: expect.stringContaining('has no extended attributes'),
    });
    for (const [name, marker] of Object.entries({ whiteout: whiteout('d/a'), opaque: opaque('d') })) {
      const layer = join(namespace.directory(), 'layer.tar');
      writeFileSync(layer, tar(dir('d'), marker));
      const unpacked = namespace.inside.run(
        ({ overlayer }, layer, destination) =>
          overlayer.unpackLayer(layer, destination, { target: 'overlay' }).then(() => {}),
        layer,
        join(directory, name),
      );
      expect(await failureOf(unpacked)).toMatchObject({
        code: 'FailedPrecondition',
        message: expect.stringMatching(/Cannot unpack entry .*no extended attributes/),
      });
    }
    await namespace.inside.run(({ overlayer }, directory) => overlayer.unmountAll(directory), directory);
  });

  test('a file system that overlayfs can not write to', async () => {
    const directory = namespace.directory();
    const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((n) => join(directory, n));
    for (const path of [lower!, upper!, work!, merged!]) mkdirSync(path);
    const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    const support = await probe(namespace, merged!, `mount -t overlay overlay -o ${options} ${merged}`);
    expect(support).toMatchObject({ supported: false, lowerdirAppend: false, idmapped: false });
    expect(support.reason).toMatch(
      /Cannot mount overlay .*the kernel says: overlay.*not supported as upperdir/,
    );
    await namespace.inside.run(({ overlayer }, merged) => overlayer.unmountAll(merged), merged!);
  });

  test('a file system with no room for the try', async () => {
    const directory = namespace.directory();
    const error = await failureOf(
      probe(namespace, directory, `mount -t tmpfs -o nr_inodes=2 tmpfs '${directory}'`),
    );
    expect(error).toMatchObject({
      code: 'ResourceExhausted',
      message: expect.stringContaining('try overlayfs'),
    });
    await namespace.inside.run(({ overlayer }, directory) => overlayer.unmountAll(directory), directory);
  });

  test('a directory that is missing', async () => {
    const error = await failureOf(probeMissing(namespace));
    expect(error).toMatchObject({ code: 'NotFound' });
  });
});

describe('in a user namespace', () => {
  const namespace = useNamespace('user-namespace');

  test.each(['fast', 'disk'] as const)('%s', async (where) => {
    const support = await probe(namespace, namespace.directory(where));
    expect(support).toEqual({ ...SUPPORTED, userxattr: true, idmapped: false });
  });
});

describe('without privileges', () => {
  const namespace = useNamespace('none');

  test('it is not supported, and the reason has a hint', async () => {
    const support = await probe(namespace, namespace.directory());
    expect(support).toMatchObject({ supported: false, lowerdirAppend: false, idmapped: false });
    expect(support.reason).toMatch(/not permitted .*unshare --user/);
  });

  test('a directory that may not be written', async () => {
    const error = await failureOf(probe(namespace, '/usr'));
    expect(error).toMatchObject({ code: 'PermissionDenied' });
  });
});

async function probeMissing({ inside, directory }: Namespace): Promise<void> {
  await inside.run(async ({ load }, directory) => {
    type Module = typeof import('../../src/mount/overlay-support.js');
    const { probeOverlay } = await load<Module>('mount/overlay-support.js');
    await probeOverlay(`${directory}/missing`);
  }, directory());
}
