import assert from 'node:assert/strict';
import { cases, refuses } from '../suite-context.js';

export const creationCases = cases({
  'a new root is empty': async (context) => {
    const { snapshots } = context;
    await refuses('NotFound', snapshots.stat('a'));
    for (const name of ['a', '', 'a\0b']) assert.equal(await snapshots.find(name), undefined);
    await refuses('NotFound', snapshots.mounts('a'));
    await refuses('NotFound', snapshots.usage('a'));
    await refuses('NotFound', snapshots.remove('a'));
    await refuses('NotFound', snapshots.commit('a', { name: 'b' }));
    await refuses('NotFound', snapshots.update('a', { labels: {} }));
    assert.deepEqual(await context.names(), []);
  },

  'an active snapshot has its key as name': async (context) => {
    const info = await context.make('active', 'a', undefined, { x: '1' });
    assert.equal(info.name, 'a');
    assert.equal(info.kind, 'active');
    assert.equal(info.parent, undefined);
    assert.deepEqual(info.labels, { x: '1' });
    assert.deepEqual(info.createdAt, info.updatedAt);
  },

  'a view has its key as name, and its parent': async (context) => {
    await context.make('committed', 'base');
    const info = await context.make('view', 'v', 'base');
    assert.deepEqual([info.name, info.kind, info.parent], ['v', 'view', 'base']);
  },

  'a committed snapshot has its name': async (context) => {
    const info = await context.make('committed', 'base');
    assert.deepEqual([info.name, info.kind, info.parent], ['base', 'committed', undefined]);
  },

  'a snapshot has the time of its creation': async (context) => {
    const before = Date.now();
    const { createdAt } = await context.make('active', 'a');
    assert.ok(createdAt.getTime() >= before && createdAt.getTime() <= Date.now());
  },

  'a record names the direct parent': async ({ make, snapshots }) => {
    await make('committed', 'a');
    await make('committed', 'b', 'a');
    assert.equal((await snapshots.stat('b')).parent, 'a');
    assert.equal((await snapshots.stat('a')).parent, undefined);
  },

  'a key exists once, for all kinds': async ({ make, snapshots }) => {
    await make('committed', 'base');
    await make('active', 'a', 'base');
    await make('view', 'v', 'base');
    for (const key of ['a', 'v', 'base']) {
      await refuses('AlreadyExists', snapshots.prepare(key, { parent: 'base' }));
      await refuses('AlreadyExists', snapshots.view(key, { parent: 'base' }));
      await refuses('AlreadyExists', snapshots.prepare(key));
    }
  },

  'a parent must exist': async (context) => {
    const { snapshots } = context;
    await refuses('NotFound', snapshots.prepare('a', { parent: 'missing' }));
    await refuses('NotFound', snapshots.view('v', { parent: 'missing' }));
    assert.deepEqual(await context.names(), []);
  },

  'a parent must be committed': async ({ make, snapshots }) => {
    await make('active', 'a');
    await make('view', 'v');
    for (const parent of ['a', 'v']) {
      await refuses('InvalidArgument', snapshots.prepare('b', { parent }));
      await refuses('InvalidArgument', snapshots.view('b', { parent }));
    }
  },

  'a key must be printable text': async ({ snapshots }) => {
    for (const key of ['', 'a\0b', 'line\nbreak', '\udc80', 'x'.repeat(1025)])
      await refuses('InvalidArgument', snapshots.prepare(key));
  },

  'a key may have spaces, slashes and any letters': async (context) => {
    const keys = ['extract-1-AbCd sha256:00ff', 'k8s.io/17/web', '中文 ключ 🐳', '.', '..', 'é'];
    for (const key of keys) await context.make('active', key);
    assert.deepEqual(await context.names(), keys.sort());
    for (const key of keys) {
      assert.equal((await context.snapshots.stat(key)).name, key);
      assert.equal((await context.snapshots.find(key))?.name, key);
    }
  },

  'a label of containerd’s size fits, a longer one does not': async ({ make, snapshots }) => {
    await make('active', 'a', undefined, { l: 'x'.repeat(4095) });
    await refuses('InvalidArgument', snapshots.prepare('b', { labels: { l: 'x'.repeat(4096) } }));
  },

  'a wanted layer that exists is reported': async (context) => {
    await context.make('committed', 'chain');
    const labels = { 'containerd.io/snapshot.ref': 'chain' };
    await refuses('AlreadyExists', context.snapshots.prepare('again', { labels }));
    assert.deepEqual(await context.names(), ['chain']);
  },

  'a wanted layer that does not exist is prepared': async ({ make, snapshots }) => {
    await make('active', 'a', undefined, { 'containerd.io/snapshot.ref': 'chain' });
    const info = await snapshots.commit('a', {
      name: 'chain',
      labels: { 'containerd.io/snapshot.ref': 'chain' },
    });
    assert.equal(info.labels['containerd.io/snapshot.ref'], 'chain');
  },
});
