import { readdirSync, readFileSync } from 'node:fs';
import { watch } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { within } from '../helpers/within.js';
import { DaemonProcess } from './daemon-process.js';
import { IMAGE } from './sample-image.js';
import { useContainerd } from './use-containerd.js';
import { expectWholeSnapshots } from './whole-snapshots.js';

const used = useContainerd();
const ctr = (...args: readonly string[]) => used.containerd.ctr(...args);
const importInto = (namespace: string) =>
  ctr('--namespace', namespace, 'images', 'import', '--snapshotter', 'overlayer', used.archive);
/** What a container reads, by a file: what it prints ctr loses now and then (containerd, issue 770). */
async function readIn(namespace: string, name: string): Promise<string> {
  const file = `${namespace} ${name}`;
  await ctr(
    ...['--namespace', namespace, 'run', '--rm', '--snapshotter', 'overlayer'],
    ...['--mount', `type=bind,src=${used.directory},dst=/out,options=rbind:rw`],
    ...[IMAGE, name, '/bin/sh', '-c', `cat /etc/base > "/out/${file}"`],
  );
  return readFileSync(join(used.directory, file), 'utf8');
}

/** containerd waits for up to three seconds before it connects again to a plugin that was gone. */
async function importSoon(namespace: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (let done = false; !done; )
    done = await importInto(namespace).then(
      () => true,
      (error: Error) => {
        if (!/while dialing|EOF|unavailable/i.test(error.message) || Date.now() > deadline) throw error;
        return false;
      },
    );
}

async function isWhole(): Promise<void> {
  await expectWholeSnapshots(used.daemon.root);
}

describe('kill -9', () => {
  // An import has it prepare, unpack and commit, twice. It is killed while containerd waits for its answer to what follows.
  test.each([0, 1, 2, 3, 4, 5])('of the daemon, once it has done %d steps of an import', async (steps) => {
    const namespace = `killed-${steps}`;
    const done = used.daemon.said(steps);
    const outcome = importInto(namespace).catch(() => 'failed');
    await done;
    await used.daemon.stop('SIGKILL');
    used.daemon = await DaemonProcess.start(used.directory);
    await outcome;
    await importSoon(namespace);
    expect(await readIn(namespace, 'after')).toBe('from the base\n');
    await isWhole();
  });

  test('of containerd in the midst of an import', async () => {
    const unpacked = used.daemon.said(2);
    const outcome = importInto('cut').catch(() => 'failed');
    await unpacked;
    await used.containerd.kill();
    await outcome;
    await used.containerd.start();
    await importInto('cut');
    expect(await readIn('cut', 'after')).toBe('from the base\n');
    await isWhole();
  });
});

test('a daemon that is started again has what there was', async () => {
  await importInto('kept');
  const list = () => ctr('--namespace', 'kept', 'snapshots', '--snapshotter', 'overlayer', 'ls');
  const before = await list();
  expect(await used.daemon.stop()).toBe(0);
  used.daemon = await DaemonProcess.start(used.directory);
  expect(await list()).toBe(before);
  await used.containerd.kill();
  await used.containerd.start();
  expect(await list()).toBe(before);
  expect(await readIn('kept', 'again')).toBe('from the base\n');
});

test('24 imports at once, of which each unpacks for itself', async () => {
  const namespaces = Array.from({ length: 24 }, (_, number) => `many-${number}`);
  await Promise.all(namespaces.map(importInto));
  const shown = await Promise.all([0, 12, 23].map((number) => readIn(`many-${number}`, `one-${number}`)));
  expect(shown).toEqual(Array(3).fill('from the base\n'));
  await isWhole();
});

test('all is gone once nothing refers to it', async () => {
  const namespaces = (await ctr('namespaces', 'ls', '--quiet')).trim().split('\n');
  for (const namespace of namespaces) {
    const inThere = (...args: readonly string[]) => ctr('--namespace', namespace, ...args);
    // Imports that were cut short hold what they had for a day.
    for (const lease of (await inThere('leases', 'ls', '--quiet')).split('\n'))
      if (lease !== '') await inThere('leases', 'rm', lease);
    await inThere('images', 'rm', '--sync', IMAGE);
  }
  await within(10_000, 'the removal by containerd', emptied(join(used.daemon.root, 'snapshots')));
});

/** containerd removes snapshots after it has answered. */
async function emptied(directory: string): Promise<void> {
  const changes = watch(directory);
  if (readdirSync(directory).length === 0) return;
  for await (const _ of changes) if (readdirSync(directory).length === 0) return;
}
