import assert from 'node:assert/strict';
import { cases, refuses, type SuiteContext } from '../suite-context.js';

async function family(context: SuiteContext): Promise<void> {
  await context.make('committed', 'p1', undefined, { l: 'p', 'a.b/c': '1' });
  await context.make('committed', 'p2', 'p1', { l: 'p' });
  await context.make('active', 'a1', 'p2', { l: 'a', 'a.b/c': '2' });
  await context.make('active', 'a2');
  await context.make('view', 'v1', 'p2', { only: 'v "1"' });
}

const ALL = ['a1', 'a2', 'p1', 'p2', 'v1'];

/** Filters, with the names of the snapshots that pass. */
const FILTERED: readonly (readonly [filters: readonly string[], names: readonly string[]])[] = [
  [[], ALL],
  [[''], ALL],
  [['kind==active'], ['a1', 'a2']],
  [['kind==view'], ['v1']],
  [['kind==committed'], ['p1', 'p2']],
  [['kind!=active'], ['p1', 'p2', 'v1']],
  [
    ['kind==active', 'kind==view'],
    ['a1', 'a2', 'v1'],
  ],
  [
    ['kind==active', 'kind==active'],
    ['a1', 'a2'],
  ],
  [
    ['name==a1', 'name==p2', 'name==missing'],
    ['a1', 'p2'],
  ],
  [['name==a1,kind==active'], ['a1']],
  [['name==a1,kind==view'], []],
  [['name~=^[ap]1$'], ['a1', 'p1']],
  [['name~=/^v/'], ['v1']],
  [['parent==p2'], ['a1', 'v1']],
  [['parent'], ['a1', 'p2', 'v1']],
  [['parent!=""'], ['a1', 'p2', 'v1']],
  [['parent==""'], ['a2', 'p1']],
  [['labels.l'], ['a1', 'p1', 'p2']],
  [['labels.l==p'], ['p1', 'p2']],
  [['labels.l!=p'], ['a1', 'a2', 'v1']],
  [['labels."a.b/c"'], ['a1', 'p1']],
  [['labels."a.b/c"==2'], ['a1']],
  [['labels.only=="v \\"1\\""'], ['v1']],
  [['labels.l==p , parent==p1'], ['p2']],
  [['labels.missing'], []],
  [['missing'], []],
  [
    ['kind==committed,labels.l~=p', 'name==a2'],
    ['a2', 'p1', 'p2'],
  ],
];

const UNREADABLE = [
  'kind=',
  '=x',
  'kind==',
  'kind==active,',
  'kind==a b',
  'name~=[',
  '"open',
  ',',
  'labels.',
];

export const listingCases = cases({
  'a walk yields all snapshots with the records of stat': async (context) => {
    await family(context);
    const infos = await context.infos();
    assert.deepEqual(infos.map(({ name }) => name).sort(), ALL);
    for (const info of infos) assert.deepEqual(info, await context.snapshots.stat(info.name));
  },

  'filters select snapshots': async (context) => {
    await family(context);
    for (const [filters, names] of FILTERED)
      assert.deepEqual(await context.names(filters), names, JSON.stringify(filters));
  },

  'invalid filters are refused': async (context) => {
    for (const filter of UNREADABLE) await refuses('InvalidArgument', context.names([filter]));
  },

  'all calls work during a walk': async (context) => {
    await family(context);
    const { snapshots } = context;
    const seen: string[] = [];
    for await (const info of snapshots.walk()) {
      seen.push(info.name);
      assert.deepEqual(await snapshots.stat(info.name), info);
      await snapshots.update(info.name, { labels: { seen: 'yes' } });
      if (info.kind === 'view') await snapshots.remove(info.name);
    }
    assert.deepEqual(seen.sort(), ALL);
    assert.deepEqual(await context.names(['labels.seen==yes']), ['a1', 'a2', 'p1', 'p2']);
  },

  'snapshots that are made or removed meanwhile do not disturb a walk': async (context) => {
    const { snapshots } = context;
    for (const number of Array.from({ length: 20 }, (_, index) => index))
      await context.make('active', `s${String(number).padStart(2, '0')}`);
    const seen = new Set<string>();
    for await (const { name } of snapshots.walk()) {
      assert.ok(!seen.has(name), `${name} comes once`);
      if (seen.size === 0) await snapshots.remove('s19');
      if (seen.size < 5) await snapshots.prepare(`${name}+`);
      seen.add(name);
    }
    assert.ok(seen.size >= 19);
  },

  'a walk can be ended early': async (context) => {
    await family(context);
    for await (const _ of context.snapshots.walk()) break;
    assert.deepEqual(await context.names(), ALL);
  },
});
