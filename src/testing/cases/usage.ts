import assert from 'node:assert/strict';
import { linkSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cases } from '../suite-context.js';

const MIB = 1024 ** 2;
/** Blocks of indexes and directories, which also count. */
const SLACK = 256 * 1024;

function assertNear(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= SLACK, `${actual} bytes, should be about ${expected}`);
}

export const usageCases = cases({
  'bytes and inodes of an active snapshot are measured': async (context) => {
    const { snapshots } = context;
    const mounts = await snapshots.prepare('a');
    const { inodes } = await snapshots.usage('a');
    await context.mounted(mounts, (directory) => {
      writeFileSync(join(directory, 'one'), Buffer.alloc(MIB, 1));
      mkdirSync(join(directory, 'folder'));
    });
    const usage = await snapshots.usage('a');
    assertNear(usage.bytes, MIB);
    assert.equal(usage.inodes, inodes + 2);
  },

  'a hard link takes no space': async (context) => {
    const { snapshots } = context;
    await context.mounted(await snapshots.prepare('a'), (directory) => {
      writeFileSync(join(directory, 'one'), Buffer.alloc(MIB, 1));
      for (const name of ['two', 'three']) linkSync(join(directory, 'one'), join(directory, name));
    });
    await snapshots.prepare('b');
    const { inodes: empty } = await snapshots.usage('b');
    const usage = await snapshots.usage('a');
    assertNear(usage.bytes, MIB);
    assert.equal(usage.inodes, empty + 1);
  },

  'blocks count instead of lengths': async (context) => {
    const { snapshots } = context;
    await context.mounted(await snapshots.prepare('a'), (directory) => {
      writeFileSync(join(directory, 'sparse'), Buffer.alloc(MIB, 1));
      truncateSync(join(directory, 'sparse'), 1024 * MIB);
    });
    assertNear((await snapshots.usage('a')).bytes, MIB);
  },

  'a committed snapshot keeps its usage': async (context) => {
    const { snapshots } = context;
    await context.mounted(await snapshots.prepare('a'), (directory) =>
      writeFileSync(join(directory, 'file'), Buffer.alloc(MIB, 1)),
    );
    const { inodes } = await snapshots.usage('a');
    await snapshots.commit('a', { name: 'A' });
    const usage = await snapshots.usage('A');
    assertNear(usage.bytes, MIB);
    assert.equal(usage.inodes, inodes);
    assert.deepEqual(await (await context.openAgain()).usage('A'), usage);
  },

  'a view takes no space': async (context) => {
    const { snapshots } = context;
    await context.commitLayer('A', undefined, (directory) => writeFileSync(join(directory, 'file'), 'text'));
    await snapshots.view('v', { parent: 'A' });
    assert.deepEqual(await snapshots.usage('v'), { bytes: 0, inodes: 0 });
  },
});
