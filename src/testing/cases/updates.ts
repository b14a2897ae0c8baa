import assert from 'node:assert/strict';
import type { SnapshotKind } from '../../metadata/snapshot-records.js';
import type { SnapshotInfo } from '../../snapshot/snapshotter.js';
import { cases, refuses, type SuiteContext } from '../suite-context.js';

const LABELS = { l1: 'v1', l2: 'v2', l3: 'v3' };

/** One snapshot of each kind. Updates work the same for all kinds. */
async function eachKind(
  context: SuiteContext,
  check: (before: SnapshotInfo, kind: SnapshotKind) => Promise<void>,
): Promise<void> {
  await context.make('committed', 'base');
  for (const kind of ['active', 'view', 'committed'] as const)
    await check(await context.make(kind, `one ${kind}`, 'base', LABELS), kind);
}

export const updateCases = cases({
  'without paths all labels are replaced': async (context) =>
    eachKind(context, async (before) => {
      const { snapshots } = context;
      const after = await snapshots.update(before.name, { labels: { l1: 'new', l4: 'v4' } });
      assert.deepEqual(after.labels, { l1: 'new', l4: 'v4' });
      assert.deepEqual(await snapshots.stat(before.name), after);
    }),

  'an update also changes the time of the update, and nothing else': async (context) =>
    eachKind(context, async (before) => {
      const after = await context.snapshots.update(before.name, { labels: {} });
      assert.ok(after.updatedAt > before.updatedAt);
      assert.deepEqual({ ...after, labels: LABELS, updatedAt: before.updatedAt }, before);
    }),

  'a parent in the patch changes nothing': async (context) =>
    eachKind(context, async (before) => {
      const patch = { labels: {}, parent: 'bogus', kind: 'view' };
      const after = await context.snapshots.update(before.name, patch);
      assert.deepEqual([after.parent, after.kind], [before.parent, before.kind]);
    }),

  'paths name labels to set and to remove': async (context) =>
    eachKind(context, async (before) => {
      const paths = ['labels.l1', 'labels.l2'];
      const after = await context.snapshots.update(
        before.name,
        { labels: { l1: 'new', l4: 'no' } },
        { fieldpaths: paths },
      );
      assert.deepEqual(after.labels, { l1: 'new', l3: 'v3' });
    }),

  'the path of all labels replaces all of them': async (context) =>
    eachKind(context, async (before) => {
      const after = await context.snapshots.update(
        before.name,
        { labels: { only: '1' } },
        { fieldpaths: ['labels'] },
      );
      assert.deepEqual(after.labels, { only: '1' });
    }),

  'the name of a label may have dots': async ({ make, snapshots }) => {
    await make('active', 'a', undefined, { 'containerd.io/x.y': '1' });
    const patch = { labels: { 'containerd.io/x.y': '2' } };
    const { labels } = await snapshots.update('a', patch, { fieldpaths: ['labels.containerd.io/x.y'] });
    assert.deepEqual(labels, { 'containerd.io/x.y': '2' });
  },

  'an empty label does not exist': async ({ make, snapshots }) => {
    await make('active', 'a', undefined, LABELS);
    const { labels } = await snapshots.update('a', { labels: { l1: '' } }, { fieldpaths: ['labels.l1'] });
    assert.deepEqual(labels, { l2: 'v2', l3: 'v3' });
  },

  'other paths are refused and change nothing': async ({ make, snapshots }) => {
    await make('active', 'a', undefined, LABELS);
    for (const path of ['parent', 'name', 'kind', 'label', '']) {
      const update = snapshots.update('a', { labels: { l1: 'new' } }, { fieldpaths: ['labels.l1', path] });
      await refuses('InvalidArgument', update);
    }
    assert.deepEqual((await snapshots.stat('a')).labels, LABELS);
  },

  'a label that is too long is refused': async ({ make, snapshots }) => {
    await make('active', 'a', undefined, LABELS);
    await refuses('InvalidArgument', snapshots.update('a', { labels: { l: 'x'.repeat(4096) } }));
    assert.deepEqual((await snapshots.stat('a')).labels, LABELS);
  },
});
