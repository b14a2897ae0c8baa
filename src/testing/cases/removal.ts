import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cases, refuses } from '../suite-context.js';

export const removalCases = cases({
  'a removed snapshot is gone': async (context) => {
    const { snapshots } = context;
    for (const kind of ['active', 'view', 'committed'] as const) {
      await context.make(kind, 'x');
      await snapshots.remove('x');
      await refuses('NotFound', snapshots.stat('x'));
      await refuses('NotFound', snapshots.remove('x'));
    }
    assert.deepEqual(await context.names(), []);
  },

  'a parent with children is not removed': async ({ make, snapshots }) => {
    await make('committed', 'p');
    for (const kind of ['active', 'view', 'committed'] as const) {
      await make(kind, 'child', 'p');
      const { message } = await refuses('FailedPrecondition', snapshots.remove('p'));
      assert.match(message, /remove/);
      await snapshots.remove('child');
    }
    await snapshots.remove('p');
  },

  'a chain is removed from the top down only': async (context) => {
    const { snapshots } = context;
    await context.make('committed', 'base');
    await context.make('committed', 'middle', 'base');
    await context.make('active', 'top', 'middle');
    await refuses('FailedPrecondition', snapshots.remove('middle'));
    await refuses('FailedPrecondition', snapshots.remove('base'));
    for (const name of ['top', 'middle', 'base']) await snapshots.remove(name);
    assert.deepEqual(await context.names(), []);
  },

  'keys and names can be used again, for any kind': async ({ make, snapshots }) => {
    await make('committed', 'p');
    for (const kind of ['active', 'view', 'committed', 'active'] as const) {
      await make(kind, 'again', 'p');
      await snapshots.remove('again');
    }
    await snapshots.remove('p');
    await make('committed', 'p');
  },

  'a new snapshot with an old name is empty': async (context) => {
    const { snapshots } = context;
    const change = (directory: string) => writeFileSync(join(directory, 'old'), '');
    await context.mounted(await snapshots.prepare('a'), change);
    await snapshots.remove('a');
    await context.mounted(await snapshots.prepare('a'), (directory) =>
      assert.deepEqual(readdirSync(directory), []),
    );
  },

  'a removal deletes the files, and cleanup finds nothing': async (context) => {
    const { snapshots } = context;
    await context.commitLayer('p', undefined, (directory) => writeFileSync(join(directory, 'file'), 'p'));
    await context.make('active', 'a', 'p');
    for (const name of ['a', 'p']) await snapshots.remove(name);
    assert.deepEqual(await snapshots.cleanup(), { removed: [], failed: [] });
  },

  'cleanup keeps all snapshots': async (context) => {
    const { snapshots } = context;
    await context.commitLayer('p', undefined, (directory) => writeFileSync(join(directory, 'file'), 'p'));
    const active = await snapshots.prepare('a', { parent: 'p' });
    await context.mounted(active, (directory) => writeFileSync(join(directory, 'mine'), 'a'));
    assert.deepEqual(await snapshots.cleanup(), { removed: [], failed: [] });
    await context.mounted(await snapshots.mounts('a'), (directory) =>
      assert.deepEqual(readdirSync(directory).sort(), ['file', 'mine']),
    );
  },
});
