import { expect, test } from 'vitest';
import type { Mount } from '../../src/index.js';
import { readOnlyMount, shownLayers } from '../../src/mount/overlay-layers.js';

const overlay = (...options: readonly string[]): Mount => ({ type: 'overlay', source: 'overlay', options });
const bind = (source: string, ...options: readonly string[]): Mount => ({ type: 'bind', source, options });

test.each<[string, readonly Mount[], readonly string[] | undefined]>([
  ['nothing', [], []],
  ['a bind mount', [bind('/a', 'rbind', 'ro')], ['/a']],
  [
    'an overlay that is written to',
    [overlay('lowerdir=/b:/c', 'upperdir=/a', 'workdir=/w')],
    ['/a', '/b', '/c'],
  ],
  ['an overlay that is read', [overlay('lowerdir=/b:/c')], ['/b', '/c']],
  ['paths with separators', [overlay('lowerdir=/b\\:1:/c\\,2', 'upperdir=/a\\:0')], ['/a:0', '/b:1', '/c,2']],
  ['owners that are mapped', [bind('/a', 'uidmap=0:1000:1', 'gidmap=0:1000:1')], ['/a']],
  ['another file system', [{ type: 'erofs', source: '/a', options: ['ro'] }], undefined],
  ['several mounts', [bind('/a'), bind('/b')], undefined],
  ['a part of the tree', [{ ...bind('/a'), target: 'etc' }], undefined],
])('layers of %s', (_, mounts, layers) => {
  expect(shownLayers(mounts)).toEqual(layers);
});

test('to be read, an upperdir is one more lower layer', () => {
  const mount = overlay(
    ...['workdir=/w', 'upperdir=/a\\:0', 'lowerdir=/b:/c', 'userxattr', 'index=off', 'volatile'],
    ...['uidmap=0:1000:1', 'gidmap=0:1000:1'],
  );
  expect(readOnlyMount(mount)).toEqual(overlay('userxattr', 'index=off', 'lowerdir=/a\\:0:/b:/c', 'ro'));
});

test('to be read, an upperdir is put before the templates of lower layers', () => {
  const mount = {
    ...overlay('workdir=/w', 'upperdir=/a', 'lowerdir={{ overlay 0 2 }}', 'index=off'),
    type: 'format/overlay',
  };
  expect(readOnlyMount(mount)).toEqual({
    ...overlay('index=off', 'lowerdir=/a:{{ overlay 0 2 }}', 'ro'),
    type: 'format/overlay',
  });
});

test('other mounts are read as they are, with the owners of the disk', () => {
  const mount = bind('/a', 'rbind', 'rw', 'uidmap=0:1000:1', 'gidmap=0:1000:1');
  expect(readOnlyMount(mount)).toEqual(bind('/a', 'rbind', 'rw', 'ro'));
});
