import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { OverlaySupport } from '../../src/mount/overlay-support.js';
import { BACKENDS } from '../helpers/backends.js';
import { type Inside, useNamespace } from '../helpers/namespace-process.js';
import { OVERLAY_SUPPORT } from '../helpers/overlay-support.js';
import { dir, file, hardlink, opaque, symlink, tar, whiteout } from '../helpers/tar-builder.js';

// Layers for containers in a user namespace, looked at from inside of one.

const LABELS = {
  'containerd.io/snapshot/uidmapping': '0:100000:1000,1000:300000:64536',
  'containerd.io/snapshot/gidmapping': '0:200000:65536',
};
const MAPS = {
  uids: '0 100000 1000\n1000 300000 64536\n',
  gids: '0 200000 65536\n',
};

/** cap_net_raw=ep, version 2. */
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');
/** user::rw-, user:1000:rw-, group::r--, group:7:r--, mask::rw-, other::r-- */
const ACL = Buffer.from(
  '02000000' +
    '01000600ffffffff' +
    '02000600e8030000' +
    '04000400ffffffff' +
    '0800040007000000' +
    '10000600ffffffff' +
    '20000400ffffffff',
  'hex',
);

const BASE = tar(
  dir('./', { uid: 3, gid: 4, mode: 0o755 }),
  file('of-root', 'x', { xattrs: { 'security.capability': CAPABILITY } }),
  file('of-user', 'x', { uid: 1000, gid: 1000, mode: 0o4755 }),
  file('last', 'x', { uid: 65535, gid: 65535 }),
  file('acl', 'x', { mode: 0o664, xattrs: { 'system.posix_acl_access': ACL } }),
  dir('directory', { uid: 5, gid: 6 }),
  symlink('symlink', 'x', { uid: 7, gid: 8 }),
  file('implicit/file', 'x', { uid: 9 }),
  hardlink('linked', 'of-user'),
  file('gone'),
);
const NEXT = tar(
  hardlink('again', 'of-user'),
  file('directory/new', 'y', { uid: 10, gid: 11 }),
  whiteout('gone'),
  opaque('implicit'),
  file('implicit/other/new'),
);
const PATHS = [
  ...['.', 'of-root', 'of-user', 'last', 'acl', 'directory', 'symlink', 'linked'],
  ...['again', 'directory/new', 'implicit', 'implicit/other', 'implicit/other/new'],
];

interface Seen {
  readonly owners: Readonly<Record<string, string>>;
  readonly capability: string;
  readonly acl: string;
  /** Of a file that root of the namespace makes. */
  readonly made: string;
  /** On the disk. */
  readonly disk: string;
  /** Of the layer's snapshot. */
  readonly labels: readonly string[];
  readonly damage: number;
}

const namespace = useNamespace('root');
type How = 'idmapped overlay' | 'idmapped erofs' | 'remapped overlay' | 'native';

async function look(how: How, kind: 'container' | 'view'): Promise<Seen> {
  const root = namespace.directory();
  writeFileSync(join(root, '0.tar'), BASE);
  writeFileSync(join(root, '1.tar'), NEXT);
  return await namespace.inside.run(
    lookInside,
    root,
    how,
    kind,
    LABELS,
    MAPS,
    OVERLAY_SUPPORT as unknown as Record<string, boolean>,
    PATHS,
  );
}

async function lookInside(
  { overlayer, fs, path, child, load }: Inside,
  root: string,
  how: string,
  kind: string,
  labels: Record<string, string>,
  maps: { readonly uids: string; readonly gids: string },
  support: object,
  paths: readonly string[],
): Promise<Seen> {
  const { OverlayBackend } = await load<typeof import('../../src/snapshot/backends/overlay-backend.js')>(
    'snapshot/backends/overlay-backend.js',
  );
  const { openLinuxMountSystem } =
    await load<typeof import('../../src/system/linux-mount.js')>('system/linux-mount.js');
  const { FileLayer } =
    await load<typeof import('../../src/layer/erofs/file-layer.js')>('layer/erofs/file-layer.js');
  const names = { 'idmapped overlay': 'overlay', 'idmapped erofs': 'erofs', native: 'native' } as const;
  const backend =
    how === 'remapped overlay'
      ? new OverlayBackend(support as OverlaySupport)
      : names[how as keyof typeof names];
  const store = path.join(root, 'store');
  const snapshots = await overlayer.openSnapshotter({ root: store, backend });
  await overlayer.unpackSnapshot(snapshots, path.join(root, '0.tar'), { name: 'base', labels });
  const top = await overlayer.unpackSnapshot(snapshots, path.join(root, '1.tar'), {
    name: 'top',
    parent: 'base',
    labels,
  });
  const { findings } = await snapshots.check();
  const mounts =
    kind === 'view'
      ? await snapshots.view('v', { parent: 'top', labels })
      : await snapshots.prepare('c', { parent: 'top', labels });
  const system = openLinuxMountSystem();
  const user = system.makeUserNamespace(maps);
  // The way to it is to be open for everybody; only the mounts are looked at.
  const target = fs.mkdtempSync('/tmp/overlayer-test-mapped-');
  fs.chmodSync(target, 0o755);
  await overlayer.mountAll(mounts, target);
  try {
    const inside = (...command: string[]) => {
      const enter = [`--user=/proc/${process.pid}/fd/${user}`, '--setuid=0', '--setgid=0'];
      const shell = ['sh', '-c', 'cd "$0" && exec "$@"', target, ...command];
      return child.execFileSync('nsenter', [...enter, ...shell], { encoding: 'utf8' }).trim();
    };
    const owners = paths.map((name) => [name, inside('stat', '-c', '%u:%g', name)]);
    const hex = (name: string, file: string) =>
      /0x(\w*)/.exec(inside('getfattr', '-n', name, '-e', 'hex', file))?.[1] ?? '';
    const made =
      kind === 'view' ? '0:0' : inside('sh', '-c', 'touch directory/made && stat -c %u:%g directory/made');
    const ownerOnDisk = () => {
      const layer = path.join(store, 'snapshots/1');
      if (backend !== 'erofs') return fs.lstatSync(path.join(layer, 'fs/of-root'));
      const at = path.join(layer, 'layer.erofs');
      const file = new FileLayer(at, fs.statSync(at, { bigint: true }));
      const owner = file.lookup(file.root, 'of-root')!;
      file[Symbol.dispose]();
      return owner;
    };
    const disk = ownerOnDisk();
    return {
      owners: Object.fromEntries(owners) as Record<string, string>,
      capability: hex('security.capability', 'of-root'),
      acl: hex('system.posix_acl_access', 'acl'),
      made,
      disk: `${disk.uid}:${disk.gid}`,
      labels: Object.keys(top.snapshot.labels).filter((name) => name.endsWith('mapping')),
      damage: findings.length,
    };
  } finally {
    await overlayer.unmountAll(target);
    fs.rmdirSync(target);
    fs.closeSync(user);
    await snapshots.close();
  }
}

describe.each(['container', 'view'] as const)('a %s sees', (kind) => {
  test.each<[How, disk: string]>([
    ['idmapped overlay', '0:0'],
    ['idmapped erofs', '0:0'],
    ['remapped overlay', '100000:200000'],
    ['native', '100000:200000'],
  ])('what the image says: %s', async (how, disk) => {
    const seen = await look(how, kind);
    expect(seen).toEqual({
      owners: {
        // That of a container's snapshot is its root's, that of an image as the image says.
        '.': kind === 'container' ? '0:0' : '3:4',
        'of-root': '0:0',
        'of-user': '1000:1000',
        last: '65535:65535',
        acl: '0:0',
        directory: '5:6',
        symlink: '7:8',
        linked: '1000:1000',
        again: '1000:1000',
        'directory/new': '10:11',
        implicit: '0:0',
        'implicit/other': '0:0',
        'implicit/other/new': '0:0',
      },
      capability: CAPABILITY.toString('hex'),
      acl: ACL.toString('hex'),
      made: '0:0',
      disk,
      labels: how.startsWith('idmapped') ? [] : Object.keys(LABELS),
      damage: 0,
    });
  });
});

test('the root of a snapshot upon nothing is the container’s root', async () => {
  const seen = await namespace.inside.run(
    async ({ overlayer, fs, path, child, load }, root, labels, maps, backends) => {
      const { openLinuxMountSystem } =
        await load<typeof import('../../src/system/linux-mount.js')>('system/linux-mount.js');
      const user = openLinuxMountSystem().makeUserNamespace(maps);
      const enter = [`--user=/proc/${process.pid}/fd/${user}`, '--setuid=0', '--setgid=0'];
      const target = fs.mkdtempSync('/tmp/overlayer-test-mapped-');
      fs.chmodSync(target, 0o755);
      const seen: string[] = [];
      for (const backend of backends) {
        const snapshots = await overlayer.openSnapshotter({ root: path.join(root, backend), backend });
        await overlayer.mountAll(await snapshots.prepare('empty', { labels }), target);
        const shell = ['sh', '-c', `cd ${target} && mkdir made && stat -c %u:%g . made`];
        seen.push(child.execFileSync('nsenter', [...enter, ...shell], { encoding: 'utf8' }));
        await overlayer.unmountAll(target);
        await snapshots.close();
      }
      fs.rmdirSync(target);
      fs.closeSync(user);
      return seen;
    },
    namespace.directory(),
    LABELS,
    MAPS,
    BACKENDS,
  );
  expect(seen).toEqual(BACKENDS.map(() => '0:0\n0:0\n'));
});
