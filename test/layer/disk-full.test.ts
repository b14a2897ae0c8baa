import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MountNamespace } from '../helpers/mount-namespace.js';
import { type UnpackOutcome, unpackCommand } from '../helpers/run-unpack.js';
import { dir, file, tar } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

// The bytes run out in the midst of a file, or the inodes among many small ones: on a small file system of our
// own, which is mounted in a namespace of its own.

const work = makeWorkDirectory();
const mount = join(work, 'small');
let namespace: MountNamespace;

beforeAll(async () => {
  mkdirSync(mount);
  namespace = await MountNamespace.start('root');
});

afterAll(async () => {
  await namespace.close();
  execFileSync('rm', ['-rf', work]);
});

/** Mounts anew, unpacks there, and says what is left of it. */
async function unpackOnto(option: string, layer: Buffer, prepare = ':', destination = 'dest') {
  const source = join(work, 'layer.tar');
  writeFileSync(source, layer);
  await namespace.run(`mount -t tmpfs -o ${option} tmpfs '${mount}'`);
  try {
    await namespace.run(`cd '${mount}' && ${prepare}`);
    const space = () => namespace.run(`df --output=used,iused '${mount}' | tail -1`);
    const before = await space();
    const run = { source, destination: join(mount, destination), options: { existing: 'merge' as const } };
    const [outcome] = JSON.parse(
      await namespace.run(unpackCommand([run]).map(quoted).join(' ')),
    ) as UnpackOutcome[];
    return { outcome: outcome!, before, after: await space(), left: await namespace.run(`ls -A '${mount}'`) };
  } finally {
    await namespace.run(`umount '${mount}'`);
  }
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

const large = tar(
  dir('d'),
  file('d/small', 'x'),
  file('d/large', Buffer.alloc(6 << 20, 'x')),
  file('d/last', 'x'),
);
const many = tar(...Array.from({ length: 500 }, (_, index) => file(`d${index % 9}/f${index}`, 'x')));

describe('a full disk', () => {
  test.each([
    // The small one's byte may be written last, by another thread.
    ['no room for the bytes', 'size=4m', large, /d\/(large|small)/],
    ['no room for the files', 'size=4m,nr_inodes=200', many, /d\d\/f\d+/],
  ])('%s: an error that says so, and all space is given back', async (_what, option, layer, entry) => {
    const { outcome, before, after, left } = await unpackOnto(option, layer);
    expect(outcome).toMatchObject({ error: { code: 'ResourceExhausted' } });
    expect('error' in outcome && outcome.error.message).toMatch(entry);
    expect(left).toBe('');
    expect(after).toBe(before);
  });

  test('an empty directory is empty again', async () => {
    const { outcome, before, after, left } = await unpackOnto('size=4m', large, 'mkdir dest');
    expect(outcome).toMatchObject({ error: { code: 'ResourceExhausted' } });
    expect(left.trim()).toBe('dest');
    expect(after).toBe(before);
  });

  test('a mount point that is empty is filled, and emptied', async () => {
    const { outcome, before, after, left } = await unpackOnto('size=4m', large, ':', '.');
    expect(outcome).toMatchObject({ error: { code: 'ResourceExhausted' } });
    expect(left).toBe('');
    expect(after).toBe(before);
  });

  test('with room enough the same layers go in', async () => {
    for (const layer of [large, many])
      expect((await unpackOnto('size=40m', layer)).outcome).toMatchObject({
        result: { compression: 'none' },
      });
  });
});

test('a file system that is read-only', async () => {
  const { outcome, left } = await unpackOnto('size=4m', large, `mount -o remount,ro '${mount}'`);
  expect(outcome).toMatchObject({ error: { code: 'FailedPrecondition' } });
  expect(left).toBe('');
});
