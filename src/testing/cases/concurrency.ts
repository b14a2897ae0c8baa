import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OverlayerError } from '../../base/errors.js';
import { cases } from '../suite-context.js';

const MANY = Array.from({ length: 12 }, (_, index) => index);

/** The outcome of each action, sorted: `done`, or the code of its error. */
async function outcomes(actions: readonly Promise<unknown>[]): Promise<string[]> {
  const settled = await Promise.allSettled(actions);
  return settled
    .map((outcome) => {
      if (outcome.status === 'fulfilled') return 'done';
      return OverlayerError.is(outcome.reason) ? outcome.reason.code : String(outcome.reason);
    })
    .sort();
}

const ONE_IS_FIRST = [...MANY.slice(1).map(() => 'AlreadyExists'), 'done'];

export const concurrencyCases = cases({
  'one of many concurrent callers gets a key': async (context) => {
    const { snapshots } = context;
    const again = await context.openAgain();
    const prepares = MANY.map((index) => (index % 2 === 0 ? snapshots : again).prepare('key'));
    assert.deepEqual(await outcomes(prepares), ONE_IS_FIRST);
    assert.deepEqual(await snapshots.cleanup(), { removed: [], failed: [] });
  },

  'one of many concurrent callers gets a name': async (context) => {
    const { snapshots } = context;
    for (const index of MANY) await snapshots.prepare(`k${index}`);
    const commits = MANY.map((index) => snapshots.commit(`k${index}`, { name: 'name' }));
    assert.deepEqual(await outcomes(commits), ONE_IS_FIRST);
    assert.equal((await context.names(['kind==active'])).length, MANY.length - 1);
  },

  'two snapshotters of the root extend many chains at once': async (context) => {
    const sides = [context.snapshots, await context.openAgain()];
    await Promise.all(
      MANY.map(async (index) => {
        const snapshots = sides[index % 2]!;
        let parent: string | undefined;
        for (const level of [0, 1, 2]) {
          const key = `k${index}.${level}`;
          const name = `n${index}.${level}`;
          await snapshots.prepare(key, { parent });
          await snapshots.commit(key, { name });
          parent = name;
        }
      }),
    );
    assert.equal((await context.names(['kind==committed'])).length, MANY.length * 3);
    const [first, ...rest] = await Promise.all(
      MANY.map((index) => context.snapshots.prepare(`on ${index}`, { parent: `n${index}.2` })),
    );
    assert.ok(first);
    for (const mounts of rest) assert.notDeepEqual(mounts, first);
  },

  'a lock runs one caller at a time': async (context) => {
    const sides = [context.snapshots, await context.openAgain()];
    let atWork = 0;
    let most = 0;
    await Promise.all(
      MANY.map((index) =>
        sides[index % 2]!.withLock('name', async () => {
          most = Math.max(most, ++atWork);
          await sides[index % 2]!.prepare(`k${index}`);
          atWork -= 1;
        }),
      ),
    );
    assert.equal(most, 1);
    assert.equal((await context.names()).length, MANY.length);
    assert.deepEqual(await context.snapshots.cleanup(), { removed: [], failed: [] });
  },

  'a failure ends a lock, and a lock blocks no other name': async (context) => {
    const { snapshots } = context;
    const failing = snapshots.withLock('name', () => {
      throw new Error('failed');
    });
    await assert.rejects(failing, /failed/);
    const both = snapshots.withLock('name', () => snapshots.withLock('other', async () => 'both'));
    assert.equal(await both, 'both');
  },

  'a parent is either removed or gets a child': async (context) => {
    const { snapshots } = context;
    for (const index of MANY) {
      const parent = `p${index}`;
      await context.make('committed', parent);
      const results = await outcomes([snapshots.prepare(`c${index}`, { parent }), snapshots.remove(parent)]);
      assert.ok(['FailedPrecondition,done', 'NotFound,done'].includes(results.join()), results.join());
    }
  },

  'cleanup does not disturb concurrent callers': async (context) => {
    const { snapshots } = context;
    const again = await context.openAgain();
    await context.commitLayer('p', undefined, (directory) => writeFileSync(join(directory, 'file'), 'p'));
    const work = MANY.map(async (index) => {
      await snapshots.prepare(`k${index}`, { parent: 'p' });
      if (index % 3 === 0) await snapshots.remove(`k${index}`);
      else await snapshots.commit(`k${index}`, { name: `n${index}` });
    });
    const cleanups = MANY.map(() => again.cleanup());
    await Promise.all([...work, ...cleanups]);
    for (const name of await context.names(['kind==committed,name!=p']))
      await context.mounted(await snapshots.view(`view of ${name}`, { parent: name }), async (directory) => {
        assert.deepEqual(readdirSync(directory), ['file']);
      });
  },
});
