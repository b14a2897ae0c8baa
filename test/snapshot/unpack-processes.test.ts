import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { openSnapshotter, type Snapshotter, unpackSnapshot } from '../../src/index.js';
import { file, tar } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const LAYER = tar(file('f', 'text'.repeat(1000)));

/** Unpacks a layer that comes from its parent in two halves; says when it has the first, and what came of it. */
const UNPACK = `
const { openSnapshotter, unpackSnapshot } = await import(${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)});
const [root, layer] = process.argv.slice(1);
const bytes = (await import('node:fs')).readFileSync(layer);
const snapshots = await openSnapshotter({ root, backend: 'native' });
async function* halves() {
  yield bytes.subarray(0, 1024);
  process.send('half');
  await new Promise((resolve) => process.once('message', resolve));
  yield bytes.subarray(1024);
}
const { layer: result } = await unpackSnapshot(snapshots, halves(), { name: 'layer' });
await snapshots.close();
process.send(result === undefined ? 'found' : 'unpacked');
process.disconnect();
`;

let root: string;
let layer: string;
let snapshots: Snapshotter;
beforeEach(async () => {
  root = makeWorkDirectory();
  layer = join(root, 'layer.tar');
  writeFileSync(layer, LAYER);
  snapshots = await openSnapshotter({ root: join(root, 'store'), backend: 'native' });
});
afterEach(async () => {
  await snapshots.close();
  rmSync(root, { recursive: true });
});

function start(): ChildProcess {
  const child = spawn(
    process.execPath,
    ['--input-type=module', '--eval', UNPACK, join(root, 'store'), layer],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

const directories = () => readdirSync(join(root, 'store/snapshots')).sort();

test('a layer that another process is at work on is waited for', async () => {
  const child = start();
  await once(child, 'message');
  const waiting = unpackSnapshot(snapshots, layer, { name: 'layer' });
  child.send('go on');
  expect(await once(child, 'message')).toEqual(['unpacked', undefined]);
  expect((await waiting).layer).toBeUndefined();
  expect(directories()).toEqual(['1']);
});

test('when that process dies, whoever waits takes over; cleanup frees what is left', async () => {
  const child = start();
  await once(child, 'message');
  const waiting = unpackSnapshot(snapshots, layer, { name: 'layer' });
  await kill(child);
  const { snapshot, layer: result } = await waiting;
  expect([snapshot.kind, result?.entries]).toEqual(['committed', 1]);
  const { removed, failed } = await snapshots.cleanup();
  expect({ removed, failed }).toEqual({ removed: ['1'], failed: [] });
  const names: string[] = [];
  for await (const { name } of snapshots.walk()) names.push(name);
  expect(names).toEqual(['layer']);
});

test('cleanup leaves an unpack alone that is under way, and frees one that died', async () => {
  const child = start();
  await once(child, 'message');
  const before = directories();
  expect(before).toHaveLength(2); // the snapshot, and the lock
  expect(await snapshots.cleanup()).toEqual({ removed: [], failed: [] });
  expect(directories()).toEqual(before);
  await kill(child);
  expect((await snapshots.cleanup()).removed).toEqual(['1']);
  expect(directories()).toEqual([]);
});
