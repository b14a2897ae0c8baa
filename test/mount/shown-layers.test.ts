import { expect, test } from 'vitest';
import type { Mount } from '../../src/index.js';
import { readOnlyMount, shownLayers } from '../../src/mount/shown-layers.js';

const overlay = (...options: readonly string[]): Mount => ({ type: 'overlay', source: 'overlay', options });
const bind = (source: string, ...options: readonly string[]): Mount => ({ type: 'bind', source, options });

const erofs = (source: string, ...options: readonly string[]): Mount => ({ type: 'erofs', source, options });
const formatted = (...options: readonly string[]): Mount => ({
  ...overlay(...options),
  type: 'format/overlay',
});

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
  ['another file system', [{ type: 'ext4', source: '/a', options: ['ro'] }], undefined],
  ['an EROFS file', [erofs('/a', 'ro', 'loop')], ['erofs /a']],
  ['merged metadata', [erofs('/a', 'ro', 'device=/b', 'device=/c,d')], ['erofs /c,d', 'erofs /b']],
  ['an EROFS file with an unknown option', [erofs('/a', 'ro', 'device=/b', 'dax')], undefined],
  [
    'an overlay of EROFS files and directories',
    [erofs('/b:1'), erofs('/c'), formatted('lowerdir={{ overlay 0 1 }}:/d', 'upperdir=/a')],
    ['/a', 'erofs /b:1', 'erofs /c', '/d'],
  ],
  [
    'one of two EROFS files',
    [erofs('/a'), erofs('/b'), { ...bind('{{ mount 1 }}'), type: 'format/bind' }],
    ['erofs /b'],
  ],
  ['several mounts', [bind('/a'), bind('/b')], undefined],
  ['a part of the tree', [{ ...bind('/a'), target: 'etc' }], undefined],
])('layers of %s', (_, mounts, layers) => {
  const shown = shownLayers(mounts);
  expect(shown?.map(({ type, path }) => (type === 'erofs' ? `erofs ${path}` : path))).toEqual(layers);
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
