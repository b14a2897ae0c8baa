import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Mount } from '../../src/index.js';
import { useNamespace } from '../helpers/namespace-process.js';
import { smallErofs } from '../helpers/small-erofs.js';

const namespace = useNamespace('root');

/** Mounts what the snapshots 1 to 3 hold. @returns the mount points that are stale when snapshots are gone */
async function staleMounts(where: 'fast' | 'disk', mounts: readonly Mount[], gone: readonly string[]) {
  const root = namespace.directory(where);
  for (const id of ['1', '2', '3']) {
    mkdirSync(join(root, 'snapshots', id, 'fs'), { recursive: true });
    mkdirSync(join(root, 'snapshots', id, 'work'));
    writeFileSync(join(root, 'snapshots', id, 'layer.erofs'), smallErofs({ [id]: '' }));
  }
  return await namespace.inside.run(
    async ({ overlayer, fs, load }, root, text, gone) => {
      type StaleMounts = typeof import('../../src/mount/store-mounts.js');
      const { findStaleMounts } = await load<StaleMounts>('mount/store-mounts.js');
      const target = `${root}/target`;
      fs.mkdirSync(target);
      await overlayer.mountAll(JSON.parse(text.replaceAll('ROOT', `${root}/snapshots`)), target);
      const found = findStaleMounts(`${root}/snapshots`, (name) => !gone.includes(name));
      await overlayer.unmountAll(target);
      return found.map(({ mountPoint, detail }) => `${mountPoint.slice(root.length)} ${detail}`);
    },
    root,
    JSON.stringify(mounts),
    gone,
  );
}

const layer = (id: string): Mount => ({ type: 'erofs', source: `ROOT/${id}/layer.erofs`, options: ['ro'] });
const overlay = (...options: readonly string[]): Mount[] => [
  layer('2'),
  layer('1'),
  { type: 'format/overlay', source: 'overlay', options: ['lowerdir={{ overlay 0 1 }}', ...options] },
];
const ACTIVE = overlay('upperdir=ROOT/3/fs', 'workdir=ROOT/3/work');

// The kernel mounts files on a disk themselves, and others through loop devices.
describe.each(['disk', 'fast'] as const)('layers on %s', (where) => {
  test.each<[string, readonly Mount[], string]>([
    ['one EROFS file', [layer('2')], '2'],
    ['a view of several', overlay(), '2'],
    ['an upperdir over several', ACTIVE, '3'],
  ])('%s: the mount is stale when its uppermost snapshot is gone', async (_, mounts, id) => {
    expect(await staleMounts(where, mounts, [])).toEqual([]);
    expect(await staleMounts(where, mounts, [id])).toEqual([
      `/target uses directories of no snapshot: ${id}`,
    ]);
  });
});
