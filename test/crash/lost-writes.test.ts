import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BACKENDS } from '../helpers/backends.js';
import { buildProgram } from '../helpers/build-program.js';
import { MountNamespace } from '../helpers/mount-namespace.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import type { CommitLostWrites, CommittedLostWrites } from './programs/commit-lost-writes.js';
import type { LoseWrites, LostWrites } from './programs/lose-writes.js';

const directory = makeWorkDirectory();
const at = (name: string) => join(directory, name);
let namespace: MountNamespace;

beforeAll(async () => {
  namespace = await MountNamespace.start('root');
});
afterAll(async () => {
  await namespace.close();
  rmSync(directory, { recursive: true });
});

/**
 * Runs a program on a disk with more room than what is below it: it takes what is written, and loses it. A journal would
 * stop it then.
 */
async function runOnDisk<Work, Report>(name: string, work: Work): Promise<Report> {
  for (const each of ['small', 'disk']) mkdirSync(at(each), { recursive: true });
  const image = join(at('small'), 'image');
  const program = await buildProgram(new URL(`programs/${name}`, import.meta.url), directory);
  await namespace.run(`mount -t tmpfs -o size=48m small ${at('small')} && truncate -s 320M ${image}`);
  await namespace.run(
    `mkfs.ext4 -q -F -O ^has_journal -E lazy_itable_init=0 ${image} && mount -o loop,errors=continue ${image} ${at('disk')}`,
  );
  const output = await namespace
    .run(`'${process.execPath}' '${program}' '${JSON.stringify(work)}'`)
    .finally(() => namespace.run(`umount ${at('disk')}; umount ${at('small')}`));
  return JSON.parse(output) as Report;
}

test('writes that a disk loses while a layer is unpacked are told to its commit, though another flush heard of them first', async () => {
  const work: LoseWrites = { root: join(at('disk'), 'store'), bytes: 96 << 20 };
  const lost = await runOnDisk<LoseWrites, LostWrites>('lose-writes.ts', work);
  expect(lost.first).toBe(false);
  expect(lost.takes).toHaveLength(2);
  for (const code of lost.takes) expect(code).toMatch(/^(DataLoss|ResourceExhausted)$/);
});

test.for(BACKENDS)('a commit (%s) is told of writes that the disk has lost before it', async (backend) => {
  const lost = await runOnDisk<CommitLostWrites, CommittedLostWrites>('commit-lost-writes.ts', {
    root: join(at('disk'), 'store'),
    backend,
    bytes: 96 << 20,
    mend: `mount -o remount,size=400m ${at('small')}`,
  });
  expect(lost.kept).toBe(false);
  expect(lost.commit).toMatch(/^(DataLoss|ResourceExhausted)$/);
});
