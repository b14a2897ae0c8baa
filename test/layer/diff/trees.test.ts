import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { createDiff } from '../../../src/index.js';
import { EXTRACTORS } from '../../helpers/extractors.js';
import { makeDiff } from '../../helpers/make-diff.js';
import { makeSampleTree } from '../../helpers/sample-tree.js';
import { failureOf } from '../../helpers/sandbox.js';
import { diffTrees, readTree, sha256 } from '../../helpers/tree.js';
import { entryText, type TwoTrees, test } from '../../helpers/two-trees.js';

const texts = async (trees: TwoTrees) => (await trees.entries()).map(entryText);

describe('changes', () => {
  test.for([
    ['a directory that becomes a file', 'mkdir d; echo x > d/f', 'rm -r d; echo -n new > d', ['d 0644 new']],
    ['a file that becomes a directory', 'echo x > f', 'rm f; mkdir f; touch f/g', ['f/ 0755', 'f/g 0644']],
    ['a symlink that leads elsewhere', 'ln -s old s', 'ln -sfn new s', ['s -> new']],
    ['a time alone', 'touch f', 'touch -d @1.5 f', ['f 0644']],
    ['an owner alone', 'touch f', 'chown 3:4 f', ['f 0644']],
    ['an attribute alone', 'touch f', 'setfattr -n user.a -v b f', ['f 0644']],
    ['an attribute that goes', 'touch f; setfattr -n user.a -v b f', 'setfattr -x user.a f', ['f 0644']],
    ["a directory's time alone", 'mkdir d', 'touch -d @1.5 d', ['d/ 0755']],
    ["a directory's attribute alone", 'mkdir d', 'setfattr -n user.a -v b d', ['d/ 0755']],
    ['another device', 'mknod n c 1 3', 'mv n o; mknod n c 1 5; touch -r o n; rm o', ['n 0644']],
    [
      'content of a file with the time that an archive gave it',
      'echo -n a > f; touch -d @1 f',
      'echo -n b > f; touch -d @1 f',
      ['f 0644 b'],
    ],
    [
      'a socket in the place of a file',
      'echo x > f',
      'rm f; python3 -c \'import socket; socket.socket(socket.AF_UNIX).bind("f")\'',
      ['.wh.f 0000'],
    ],
    ['a device 0:0 in the place of a file', 'echo x > f', 'rm f; mknod f c 0 0', ['.wh.f 0000']],
    ['a device 0:0 that comes, and one that goes', 'mknod old c 0 0', 'rm old; mknod new c 0 0', []],
    ['a file in the place of a device 0:0', 'mknod f c 0 0', 'rm f; echo -n x > f', ['f 0644 x']],
    ['nothing at all', 'mkdir d; echo x > d/f; touch -d @1 d/f', 'true', []],
  ] as const)('%s', async ([, before, after, entries], { trees }) => {
    trees.make(before, after);
    expect(await texts(trees)).toEqual(entries);
  });

  test('the root, which has an entry of its own', async ({ trees }) => {
    trees.make('chmod 755 .', 'chmod 711 .');
    expect(await texts(trees)).toEqual(['./ 0711']);
  });
});

describe('holes', () => {
  const sparse = (bytes: string) => `truncate -s 1T f; ${bytes} touch -d @1 f`;
  const write = (text: string, at: number) =>
    `printf ${text} | dd of=f bs=1 seek=${at} conv=notrunc status=none;`;

  test('that two files have in common are not read', { timeout: 20_000 }, async ({ trees }) => {
    trees.make(sparse(write('x', 5e11)), 'true');
    expect(await texts(trees)).toEqual([]);
  });

  test('of one file are zeros of the other', async ({ trees }) => {
    const [holes, zeros] = ['truncate -s 1M f', 'head -c 1M /dev/zero > f'];
    trees.make(`${holes}; touch -d @1 f`, `${zeros}; touch -d @1 f`);
    expect(await texts(trees)).toEqual([]);
  });

  test.for([0, 700_000, 1_048_575])('of which one is none: a byte at %d', async (at, { trees }) => {
    trees.make(`truncate -s 1M f; touch -d @1 f`, `${write('x', at)} touch -d @1 f`);
    expect((await trees.entries()).map(({ path }) => path)).toEqual(['f']);
  });
});

describe('capabilities that root of a user namespace has set', () => {
  /** cap_net_raw, effective: with the id of a root on this host (revision 3), and without (2). */
  const [OF_HOST, PLAIN] = [
    '0x0100000300200000000000000000000000000000a0860100',
    '0x0100000200200000000000000000000000000000',
  ];
  const capable = (value: string) => `setfattr -n security.capability -v ${value} f;`;

  test('are in the layer without its id on this host', async ({ trees }) => {
    trees.make('true', `touch f; ${capable(OF_HOST)}`);
    const { layer } = await trees.diff();
    const value = Buffer.from(PLAIN.slice(2), 'hex');
    expect(layer.includes(Buffer.concat([Buffer.from('SCHILY.xattr.security.capability='), value]))).toBe(
      true,
    );
    expect(layer.includes(Buffer.from(OF_HOST.slice(2), 'hex'))).toBe(false);
  });

  test('are the same with another id', async ({ trees }) => {
    trees.make(`touch -d @1.5 f; ${capable(PLAIN)}`, capable(OF_HOST));
    expect(await texts(trees)).toEqual([]);
  });
});

test('names of extended attributes that are not UTF-8 stay as they are', async ({ trees }) => {
  trees.make('true', "touch f; setfattr -n $'user.\\xe9\\xff' -v 1 f; setfattr -n user.é -v 2 f");
  const made = await trees.diff();
  expect(made.layer.includes(Buffer.from('SCHILY.xattr.user.\xe9\xff=1', 'latin1'))).toBe(true);
  expect(made.layer.includes(Buffer.from('SCHILY.xattr.user.é=2'))).toBe(true);
  expect(await trees.differences(made)).toEqual([]);
});

/** With all that an archive can hold. */
function sample(trees: TwoTrees): void {
  trees.make('mkdir d; echo old > d/file', 'rm -r d');
  makeSampleTree(trees.upper, { longNames: true, attributes: true, sparse: true });
}

describe('a tree with everything in it', () => {
  test('comes out of the layer as it was', async ({ trees }) => {
    sample(trees);
    const made = await trees.diff();
    expect(await trees.differences(made)).toEqual([]);
    expect(made).toMatchObject({
      descriptor: {
        mediaType: 'application/vnd.oci.image.layer.v1.tar',
        digest: `sha256:${sha256(made.layer)}`,
        size: made.layer.length,
      },
      diffID: `sha256:${sha256(made.layer)}`,
      size: made.layer.length,
    });
  });

  test.for(['tar', 'bsdtar'] as const)('is read by %s, whole', async (tool, { trees }) => {
    trees.make('true', 'true');
    makeSampleTree(trees.upper, { longNames: true, attributes: true, sparse: true });
    const { layer } = await makeDiff({ upper: trees.upper });
    const archive = join(trees.root, 'layer.tar');
    writeFileSync(archive, layer);
    await EXTRACTORS[tool](archive, trees.lower);
    // bsdtar does not set the time of the directory that it unpacks into.
    execFileSync('touch', ['--reference', trees.upper, trees.lower]);
    expect(diffTrees(readTree(trees.upper), readTree(trees.lower))).toEqual([]);
  });

  test.for([
    ['gzip', ['gzip', '-dc'], 'application/vnd.oci.image.layer.v1.tar+gzip'],
    ['zstd', ['zstd', '-dc'], 'application/vnd.oci.image.layer.v1.tar+zstd'],
  ] as const)('is what %s decompresses', async ([compression, [program, ...args], mediaType], { trees }) => {
    sample(trees);
    const plain = await trees.diff();
    const { layer, descriptor, diffID, size } = await trees.diff({ compression });
    expect(descriptor).toEqual({ mediaType, digest: `sha256:${sha256(layer)}`, size: layer.length });
    expect({ diffID, size }).toEqual({ diffID: plain.diffID, size: plain.size });
    const decompressed = execFileSync(program!, args, { input: layer, maxBuffer: 64 << 20 });
    expect(decompressed.equals(plain.layer)).toBe(true);
  });

  test.for(['none', 'gzip', 'zstd'] as const)(
    'is the same layer each time, %s',
    async (compression, { trees }) => {
      sample(trees);
      const first = await trees.diff({ compression });
      // The same tree, made in another order: other inodes, other places in its directories.
      const names = execFileSync('ls', ['--reverse', trees.upper], { encoding: 'utf8' });
      expect(names.split('\n').length).toBeGreaterThan(3);
      execFileSync('mv', [trees.upper, `${trees.upper}-1`]);
      execFileSync('bash', [
        '-euc',
        'mkdir "$2"; cd "$1"; tar --xattrs --xattrs-include="*" --sort=name -cf ../t.tar .; cd "$2"; tar --xattrs --xattrs-include="*" -xpf ../t.tar; rm ../t.tar',
        '-',
        `${trees.upper}-1`,
        trees.upper,
      ]);
      const again = await trees.diff({ compression });
      expect(again.layer.equals(first.layer)).toBe(true);
    },
  );
});

describe('entries that no layer can hold', () => {
  test.for([
    ['a file', 'touch .wh.f', '.wh.f'],
    ['a directory', 'mkdir .wh.d; touch .wh.d/f', '.wh.d/'],
    ['an opaque marker', 'mkdir d; touch d/.wh..wh..opq', 'd/.wh..wh..opq'],
  ] as const)('%s with the name of a whiteout', async ([, after, entry], { trees }) => {
    trees.make('true', after);
    const error = await failureOf(trees.diff());
    expect(error).toMatchObject({ code: 'FailedPrecondition', entry });
    expect(error.message).toContain('whiteout');
  });

  test('one that is gone: a whiteout of it would be taken for something else', async ({ trees }) => {
    trees.make('touch .wh.f', 'rm .wh.f');
    expect(await failureOf(trees.diff())).toMatchObject({ code: 'FailedPrecondition', entry: '.wh.f' });
  });

  test('one that stays as it is does no harm', async ({ trees }) => {
    trees.make('touch .wh.f', 'touch new');
    expect(await texts(trees)).toEqual(['new 0644']);
  });
});

describe('options that make no sense', () => {
  test.for([
    ['a path that is none', { upper: '' }, {}],
    ['a compression', { upper: '.' }, { compression: 'xz' as 'gzip' }],
    ['a level of gzip', { upper: '.' }, { compressionLevel: 10 }],
    ['a level of no compression', { upper: '.' }, { compression: 'none', compressionLevel: 1 }],
    ['a time', { upper: '.' }, { sourceDateEpoch: new Date(Number.NaN) }],
    ['a time before 1970', { upper: '.' }, { sourceDateEpoch: new Date(-1) }],
  ] as const)('%s', async ([, source, options]) => {
    expect(await failureOf(makeDiff(source, options))).toMatchObject({ code: 'InvalidArgument' });
  });

  test('a tree that is not there', async ({ trees }) => {
    trees.make('touch f');
    const [none, file] = [join(trees.root, 'none'), join(trees.upper, 'f')];
    for (const [source, message] of [
      [{ lower: trees.lower, upper: none }, `Upper tree "${none}" does not exist`],
      [{ lower: file, upper: trees.upper }, `Lower tree "${file}" is not a directory`],
      [{ lowers: [none], upper: trees.upper }, `Lower layer "${none}" does not exist`],
    ] as const)
      expect(await failureOf(makeDiff(source))).toMatchObject({ code: 'NotFound', message });
  });
});

test('a failure comes out of the loop and of the result', async ({ trees }) => {
  const diff = createDiff({ upper: join(trees.root, 'none') });
  const loop = (async () => {
    for await (const _ of diff) expect.unreachable();
  })();
  const error = await failureOf(loop);
  expect(await failureOf(diff)).toBe(error);
});
