import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { unpackLayer } from '../../src/index.js';
import { layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { dir, file, hardlink, symlink, tar, whiteout } from '../helpers/tar-builder.js';
import { diffTrees, readTree } from '../helpers/tree.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

/** Of which a file system in user space may remember what they were when they were linked. */
const LINKED = Array.from({ length: 50 }, (_, index) => [
  file(`linked/one-${index}`, 'content'.repeat(3000)),
  hardlink(`linked/another-${index}`, `linked/one-${index}`),
]).flat();
const LAYERS = [
  tar(dir('etc'), file('etc/base', 'base'), symlink('link', 'etc'), file('link/through', 'x')),
  tar(whiteout('etc/base'), file('etc/deep/next', 'next'), ...LINKED),
];

/** As it is installed. */
const MAIN = fileURLToPath(new URL('../../dist/cli/main.cjs', import.meta.url));

let root: string;
let refuseCalls: string;
let count = 0;
/** Of one test. */
let place: string;
beforeAll(() => {
  root = makeWorkDirectory();
  refuseCalls = join(root, 'refuse-calls');
  const source = fileURLToPath(new URL('../helpers/refuse-calls.c', import.meta.url));
  execFileSync('g++', ['-x', 'c', source, '-o', refuseCalls]);
  writeFiles(join(root, 'layout'), layoutFiles({}, LAYERS));
  writeFileSync(join(root, 'layer.tar'), LAYERS[0]!);
});
beforeEach(() => {
  place = join(root, String(count++));
  mkdirSync(place);
});
afterAll(() => rmSync(root, { recursive: true }));

/** A script in a mount namespace of its own, where `overlayer` is the command. @returns what it printed */
function inNamespace(script: string, prefix = ''): string {
  const command = `overlayer() { ${prefix} '${process.execPath}' '${MAIN}' "$@"; }; cd '${place}'; ${script}`;
  const { stdout, status } = spawnSync(
    'unshare',
    ['--mount', '--propagation', 'private', 'sh', '-ec', `exec 2>&1; ${command}`],
    { encoding: 'utf8' },
  );
  expect(status, stdout).toBe(0);
  return stdout;
}

const IMPORT = 'overlayer import ../layout --root store --progress none';

describe('a sandbox that refuses a call: all is as without it', () => {
  test.each([
    ['openat2', 'EPERM'],
    ['openat2', 'ENOSYS'],
    ['renameat2', 'EINVAL'],
    ['getxattrat', 'EPERM'],
  ] as const)('%s, with %s', async (call, errno) => {
    const said = inNamespace(
      `overlayer unpack ../layer.tar rootfs --progress none
       ${IMPORT}
       overlayer snapshots check --root store
       overlayer unpack ../layer.tar rootfs || echo refused`,
      `'${refuseCalls}' ${call} ${constants.errno[errno]}`,
    );
    expect(said).toContain('nothing is wrong');
    expect(said).toMatch(/"rootfs" is not empty.*\nrefused\n$/);
    await unpackLayer(join(root, 'layer.tar'), join(place, 'expected'));
    const trees = ['expected', 'rootfs'].map((name) => readTree(join(place, name)));
    expect(diffTrees(trees[0]!, trees[1]!)).toEqual([]);
  });
});

test('no locks: it is said of what', () => {
  const said = inNamespace(`${IMPORT} || true`, `'${refuseCalls}' flock ${constants.errno.ENOLCK}`);
  expect(said).toMatch(
    new RegExp(`^overlayer: Cannot lock "${place}/store/.*": there are no locks \\(flock: ENOLCK\\): .*NFS`),
  );
  expect(readdirSync(join(place, 'store/snapshots'))).toEqual([]);
});

test('modes that may not be changed: it is said of what', () => {
  const chmod = process.arch === 'x64' ? 'chmod' : 'fchmodat';
  const said = inNamespace(
    `${IMPORT} || echo "exit $?"`,
    `'${refuseCalls}' ${chmod} ${constants.errno.EPERM}`,
  );
  expect(said).toBe(
    `overlayer: Cannot use the metadata store "${place}/store/metadata.db": not permitted (chmod: EPERM)\nexit 7\n`,
  );
});

test('a disk that fails when it is flushed: it is said for what', () => {
  const said = inNamespace(
    'overlayer unpack ../layout rootfs --progress none || true',
    `'${refuseCalls}' syncfs ${constants.errno.EIO}`,
  );
  expect(said).toContain('overlayer: Cannot sync "rootfs": input/output error (syncfs: EIO): ');
  expect(readdirSync(place)).toEqual([]);
});

test('too few descriptors to try overlayfs do not make a store of whole trees', () => {
  const said = inNamespace(
    'overlayer snapshots prepare a --root store || true',
    `'${refuseCalls}' fsopen ${constants.errno.EMFILE}`,
  );
  expect(said).toMatch(
    /^overlayer: Cannot mount overlay on ".*": too many open files \(fsopen "overlay": EMFILE\): .*\n$/,
  );
  expect(readdirSync(join(place, 'store/snapshots'))).toEqual([]);
});

describe('a FUSE file system, which can only rename as POSIX says', () => {
  const mounted = 'mkdir source fuse; bindfs source fuse; cd fuse';

  test('keeps a store', () => {
    const said = inNamespace(`${mounted}
      ${IMPORT.replace('../', '../../')}
      overlayer snapshots check --root store
      overlayer images rm sample:1 --root store`);
    expect(said).toContain('nothing is wrong');
    expect(said).toMatch(/2 snapshots\n$/);
    expect(readdirSync(join(place, 'source/store/snapshots'))).toEqual([]);
  });

  test('takes a layer, and never in the place of something', () => {
    const said = inNamespace(`${mounted}
      overlayer unpack ../../layer.tar rootfs --progress none
      overlayer unpack ../../layer.tar rootfs || echo refused`);
    expect(said).toMatch(/"rootfs" is not empty.*\nrefused\n$/);
    expect(readFileSync(join(place, 'source/rootfs/etc/through'), 'utf8')).toBe('x');
  });
});

describe('a store on a read-only file system', () => {
  const script = (commands: string) => `${IMPORT} >/dev/null
    mount --bind store store; mount -o remount,ro,bind store
    ${commands}`;

  test('can be read', () => {
    const said = inNamespace(
      script(`overlayer images ls --root store
        overlayer images check --root store
        overlayer snapshots check --root store
        overlayer content verify --root store
        overlayer export sample:1 -o image.tar --root store`),
    );
    for (const text of ['complete', 'nothing is wrong', 'whole', 'Exported']) expect(said).toContain(text);
    expect(existsSync(join(place, 'image.tar'))).toBe(true);
  });

  test('can be mounted', () => {
    const said = inNamespace(
      script(`mkdir target
        overlayer mount sample:1 target --root store
        cat target/etc/deep/next
        overlayer snapshots unmount target
        ls target`),
    );
    expect(said).toBe('Mounted docker.io/library/sample:1 on target\nnextUnmounted target\n');
  });

  test('refuses to be changed, and says why', () => {
    const said = inNamespace(
      script(`overlayer images rm sample:1 --root store || true
        overlayer snapshots prepare new --root store || true`),
    );
    const refusal = `overlayer: Cannot use the metadata store "${place}/store/metadata.db": the file system is read-only (open: EROFS)\n`;
    expect(said).toBe(refusal.repeat(2));
  });
});

describe('without /proc', () => {
  const hidden = 'mount -t tmpfs none /proc;';

  test('layers are unpacked, compared and kept', () => {
    const said = inNamespace(`${hidden}
      overlayer unpack ../layer.tar rootfs --progress none
      overlayer diff rootfs rootfs -o diff.tar
      overlayer snapshots unpack ../layer.tar --key base --root store --progress none
      overlayer snapshots check --root store
      overlayer snapshots rm base --root store`);
    expect(said).toContain('nothing is wrong');
    expect(said).toMatch(/Removed base\n$/);
  });

  test('what is mounted can not be told', () => {
    const said = inNamespace(`${hidden} mkdir target; overlayer snapshots unmount target || true`);
    expect(said).toBe(
      'overlayer: Cannot tell what is mounted: /proc is not mounted: mount -t proc proc /proc\n',
    );
  });
});
