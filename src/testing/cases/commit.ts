import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cases, refuses, type SuiteContext } from '../suite-context.js';

const rebases = ({ snapshots }: SuiteContext) => snapshots.backend.capabilities.includes('rebase');

export const commitCases = cases({
  'a commit frees the key and takes the name': async ({ make, snapshots }) => {
    await make('active', 'a');
    await snapshots.commit('a', { name: 'A' });
    await refuses('NotFound', snapshots.stat('a'));
    await refuses('NotFound', snapshots.mounts('a'));
    await refuses('NotFound', snapshots.commit('a', { name: 'B' }));
    await make('active', 'a');
    await refuses('AlreadyExists', snapshots.prepare('A'));
  },

  'a commit returns the record of the committed snapshot': async (context) => {
    await context.make('committed', 'base');
    await context.make('active', 'a', 'base');
    const info = await context.snapshots.commit('a', { name: 'A', labels: { x: '1' } });
    assert.deepEqual(info, await context.snapshots.stat('A'));
    assert.deepEqual([info.name, info.kind, info.parent], ['A', 'committed', 'base']);
    assert.deepEqual(info.createdAt, info.updatedAt);
  },

  'a committed snapshot has only the labels of the commit': async ({ make, snapshots }) => {
    await make('active', 'a', undefined, { from: 'active', both: 'active' });
    const { labels } = await snapshots.commit('a', { name: 'A', labels: { both: 'commit', own: 'commit' } });
    assert.deepEqual(labels, { both: 'commit', own: 'commit' });
    await make('active', 'b', undefined, { from: 'active' });
    assert.deepEqual((await snapshots.commit('b', { name: 'B' })).labels, {});
  },

  'a name that exists is refused': async (context) => {
    const { snapshots } = context;
    await context.make('committed', 'A');
    await context.make('active', 'other');
    await context.make('view', 'v');
    await context.make('active', 'a');
    for (const name of ['A', 'other', 'v', 'a'])
      await refuses('AlreadyExists', snapshots.commit('a', { name }));
    assert.equal((await snapshots.stat('a')).kind, 'active');
  },

  'only an active snapshot can be committed': async ({ make, snapshots }) => {
    await make('committed', 'A');
    await make('view', 'v', 'A');
    await refuses('FailedPrecondition', snapshots.commit('A', { name: 'B' }));
    await refuses('FailedPrecondition', snapshots.commit('v', { name: 'B' }));
    assert.equal((await snapshots.stat('v')).kind, 'view');
  },

  'an invalid name or label is refused': async ({ make, snapshots }) => {
    await make('active', 'a');
    await refuses('InvalidArgument', snapshots.commit('a', { name: '' }));
    await refuses('InvalidArgument', snapshots.commit('a', { name: 'A', labels: { '': 'x' } }));
    assert.equal((await snapshots.stat('a')).kind, 'active');
  },

  'a commit may repeat the parent': async ({ make, snapshots }) => {
    await make('committed', 'base');
    await make('active', 'a', 'base');
    assert.equal((await snapshots.commit('a', { name: 'A', parent: 'base' })).parent, 'base');
  },

  'a commit with another parent is refused': async ({ make, snapshots }) => {
    await make('committed', 'base');
    await make('committed', 'other');
    await make('active', 'a', 'base');
    await refuses('InvalidArgument', snapshots.commit('a', { name: 'A', parent: 'other' }));
    assert.equal((await snapshots.stat('a')).parent, 'base');
  },

  'a commit sets a late parent if the backend supports it': async (context) => {
    const { snapshots } = context;
    await context.commitLayer('base', undefined, (at) => writeFileSync(join(at, 'low'), 'base'));
    await context.make('active', 'a');
    if (!rebases(context)) {
      await refuses('Unimplemented', snapshots.commit('a', { name: 'A', parent: 'base' }));
      return;
    }
    assert.equal((await snapshots.commit('a', { name: 'A', parent: 'base' })).parent, 'base');
    await refuses('FailedPrecondition', snapshots.remove('base'));
    await context.commitLayer('all', 'A', (at) => writeFileSync(join(at, 'high'), 'all'));
    const view = await snapshots.view('v', { parent: 'all' });
    await context.mounted(view, (seen) => assert.deepEqual(readdirSync(seen).sort(), ['high', 'low']));
  },

  'a late parent must exist and be committed': async (context) => {
    const { snapshots } = context;
    await context.make('active', 'other');
    await context.make('active', 'a');
    await refuses('NotFound', snapshots.commit('a', { name: 'A', parent: 'missing' }));
    await refuses('FailedPrecondition', snapshots.commit('a', { name: 'A', parent: 'other' }));
    assert.equal((await snapshots.stat('a')).kind, 'active');
  },
});
