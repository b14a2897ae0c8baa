import { chmodSync, chownSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BackendSnapshot } from '../../src/index.js';
import type { OverlaySupport } from '../../src/mount/overlay-support.js';
import { OverlayBackend } from '../../src/snapshot/backends/overlay-backend.js';
import { OVERLAY_SUPPORT } from '../helpers/overlay-support.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const SUPPORT = { ...OVERLAY_SUPPORT, idmapped: true };

const MAPPING = {
  'containerd.io/snapshot/uidmapping': '0:1000:65536',
  'containerd.io/snapshot/gidmapping': '0:2000:65536',
};

function snapshot(details: Partial<BackendSnapshot>): BackendSnapshot {
  return { directory: '/s/9', parents: [], kind: 'active', labels: {}, readOnly: false, ...details };
}

function mounts(details: Partial<BackendSnapshot>, support: Partial<OverlaySupport> = {}) {
  return new OverlayBackend({ ...SUPPORT, ...support }).mounts(snapshot(details));
}

const bind = (source: string, ...options: string[]) => [{ type: 'bind', source, options }];
const overlay = (...options: string[]) => [{ type: 'overlay', source: 'overlay', options }];
const VIEW = { kind: 'view', readOnly: true } as const;

describe('mounts are containerd’s', () => {
  test.each([
    ['nothing below', {}, bind('/s/9/fs', 'rw', 'rbind')],
    ['a view of nothing', VIEW, bind('/s/9/fs', 'ro', 'rbind')],
    ['a view of one', { ...VIEW, parents: ['/s/1'] }, bind('/s/1/fs', 'ro', 'rbind')],
    [
      'a view of two',
      { ...VIEW, parents: ['/s/2', '/s/1'] },
      overlay('lowerdir=/s/2/fs:/s/1/fs', 'index=off'),
    ],
    [
      'one below',
      { parents: ['/s/1'] },
      overlay('workdir=/s/9/work', 'upperdir=/s/9/fs', 'lowerdir=/s/1/fs', 'index=off'),
    ],
    [
      'ids mapped, on two',
      { parents: ['/s/2', '/s/1'], labels: MAPPING },
      overlay(
        ...['uidmap=0:1000:65536', 'gidmap=0:2000:65536', 'workdir=/s/9/work', 'upperdir=/s/9/fs'],
        ...['lowerdir=/s/2/fs:/s/1/fs', 'index=off'],
      ),
    ],
    [
      'a layer whose parent comes later',
      { labels: { ...MAPPING, 'containerd.io/snapshot/parent-chain-id': 'sha256:0' } },
      overlay('upperdir=/s/9/fs'),
    ],
    [
      'ids mapped, on nothing',
      { labels: MAPPING },
      bind('/s/9/fs', 'uidmap=0:1000:65536', 'gidmap=0:2000:65536', 'rw', 'rbind'),
    ],
  ] as const)('%s', (_, details, expected) => {
    expect(mounts(details)).toEqual(expected);
  });

  test('in a user namespace, and where the kernel knows nothing of index', () => {
    const support = { userxattr: true, indexOff: false };
    expect(mounts({ ...VIEW, parents: ['/s/2', '/s/1'] }, support)).toEqual(
      overlay('lowerdir=/s/2/fs:/s/1/fs', 'userxattr'),
    );
  });

  test('without idmapped mounts the labels are no options', () => {
    expect(mounts({ labels: MAPPING }, { idmapped: false })).toEqual(bind('/s/9/fs', 'rw', 'rbind'));
  });
});

test('separators in a path are escaped', () => {
  expect(mounts({ directory: '/a:b,c/9', parents: ['/a:b,c/1'] })[0]!.options.slice(0, 3)).toEqual([
    'workdir=/a\\:b\\,c/9/work',
    'upperdir=/a\\:b\\,c/9/fs',
    'lowerdir=/a\\:b\\,c/1/fs',
  ]);
});

test('what the backend has filled itself is mounted read-only, over what is below', () => {
  expect(mounts({ readOnly: true, parents: ['/s/1'] })).toEqual(
    overlay('lowerdir=/s/9/fs:/s/1/fs', 'index=off', 'ro'),
  );
  expect(mounts({ readOnly: true })).toEqual(bind('/s/9/fs', 'ro', 'rbind'));
});

describe('a new directory', () => {
  let root: string;
  beforeEach(() => {
    root = makeWorkDirectory();
  });
  afterEach(() => rmSync(root, { recursive: true }));

  async function create(details: Partial<BackendSnapshot> = {}, support: Partial<OverlaySupport> = {}) {
    const directory = join(root, 'new');
    mkdirSync(directory);
    await new OverlayBackend({ ...SUPPORT, ...support }).create(snapshot({ directory, ...details }));
    const describe = (name: string) => {
      const { mode, uid, gid } = statSync(join(directory, name));
      return `${(mode & 0o7777).toString(8)} ${uid}:${gid}`;
    };
    return describe;
  }

  test('has modes of its own, whatever the umask', async () => {
    const describe = await create();
    expect([describe('fs'), describe('work')]).toEqual(['755 0:0', '711 0:0']);
  });

  test('of a view has no workdir', async () => {
    const describe = await create(VIEW);
    expect(() => describe('work')).toThrow('ENOENT');
  });

  test('has its root as the nearest parent’s', async () => {
    for (const [name, mode, owner] of [['1', 0o700, 1] as const, ['2', 0o1750, 2] as const]) {
      mkdirSync(join(root, name, 'fs'), { recursive: true });
      chownSync(join(root, name, 'fs'), owner, owner);
      chmodSync(join(root, name, 'fs'), mode);
    }
    const describe = await create({ parents: [join(root, '2'), join(root, '1')] });
    expect(describe('fs')).toBe('1750 2:2');
  });

  test('belongs to the root that ids are mapped to', async () => {
    mkdirSync(join(root, '1', 'fs'), { recursive: true });
    const describe = await create({ labels: MAPPING, parents: [join(root, '1')] });
    expect(describe('fs')).toBe('755 1000:2000');
  });

  test.each([
    [true, '755 0:0'],
    [false, '755 1000:2000'],
  ])('upon nothing, its mount maps the root itself (%s): %s', async (idmapped, expected) => {
    const describe = await create({ labels: MAPPING }, { idmapped });
    expect(describe('fs')).toBe(expected);
  });

  test.each([
    ['half a mapping', { 'containerd.io/snapshot/uidmapping': '0:1000:1' }],
    ['no mapping', { ...MAPPING, 'containerd.io/snapshot/gidmapping': '0-1000' }],
    ['no mapping of root', { ...MAPPING, 'containerd.io/snapshot/uidmapping': '1:1000:5,7:0:1' }],
  ])('%s is refused', async (_, labels) => {
    await expect(create({ labels })).rejects.toMatchObject({ code: 'InvalidArgument' });
  });
});
