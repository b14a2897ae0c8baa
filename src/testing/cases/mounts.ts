import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cases, refuses } from '../suite-context.js';

export const mountCases = cases({
  'mounts returns the same mounts as prepare': async ({ make, snapshots }) => {
    await make('committed', 'a');
    await make('committed', 'b', 'a');
    for (const parent of [undefined, 'a', 'b']) {
      const prepared = await snapshots.prepare(`on ${parent}`, { parent });
      assert.deepEqual(await snapshots.mounts(`on ${parent}`), prepared);
      const viewed = await snapshots.view(`view of ${parent}`, { parent });
      assert.deepEqual(await snapshots.mounts(`view of ${parent}`), viewed);
    }
  },

  'mounts are the same for another snapshotter of the root': async (context) => {
    await context.make('committed', 'a');
    await context.make('committed', 'b', 'a');
    const prepared = await context.snapshots.prepare('c', { parent: 'b' });
    const viewed = await context.snapshots.view('v', { parent: 'b' });
    const again = await context.openAgain();
    assert.deepEqual(await again.mounts('c'), prepared);
    assert.deepEqual(await again.mounts('v'), viewed);
  },

  'written files are there after closing and opening': async (context) => {
    const mounts = await context.snapshots.prepare('a');
    await context.mounted(mounts, (directory) => writeFileSync(join(directory, 'file'), 'text'));
    await context.snapshots.close();
    const again = await context.openAgain();
    await again.commit('a', { name: 'A' });
    const view = await again.view('v', { parent: 'A' });
    await context.mounted(view, (directory) =>
      assert.equal(readFileSync(join(directory, 'file'), 'utf8'), 'text'),
    );
  },

  'a committed snapshot has no mounts': async ({ make, snapshots }) => {
    await make('committed', 'base');
    await refuses('FailedPrecondition', snapshots.mounts('base'));
  },

  'a view is read-only': async (context) => {
    await context.commitLayer('a', undefined, (directory) => writeFileSync(join(directory, 'file'), 'a'));
    await context.commitLayer('b', 'a');
    for (const parent of [undefined, 'a', 'b']) {
      const mounts = await context.snapshots.view(`view of ${parent}`, { parent });
      await context.mounted(mounts, (directory) =>
        assert.throws(() => writeFileSync(join(directory, 'new'), ''), { code: 'EROFS' }),
      );
    }
  },

  'all users can read the root of an empty snapshot': async (context) => {
    const mounts = await context.snapshots.prepare('a');
    await context.mounted(mounts, (directory) =>
      assert.equal((statSync(directory).mode & 0o7777).toString(8), '755'),
    );
  },

  'a second close does nothing, and other calls fail afterwards': async ({ snapshots }) => {
    await snapshots.prepare('a');
    await snapshots.close();
    await snapshots.close();
    await refuses('FailedPrecondition', snapshots.stat('a'));
    await refuses('FailedPrecondition', snapshots.prepare('b'));
  },
});
