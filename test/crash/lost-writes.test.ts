import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildProgram } from '../helpers/build-program.js';
import { MountNamespace } from '../helpers/mount-namespace.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import type { LoseWrites, LostWrites } from './programs/lose-writes.js';

const directory = makeWorkDirectory();
const at = (name: string) => join(directory, name);
let namespace: MountNamespace;
let program: string;

beforeAll(async () => {
  program = await buildProgram(new URL('programs/lose-writes.ts', import.meta.url), directory);
  namespace = await MountNamespace.start('root');
});
afterAll(async () => {
  await namespace.close();
  rmSync(directory, { recursive: true });
});

test('writes that a disk loses while a layer is unpacked are told to its commit, though another flush heard of them first', async () => {
  for (const name of ['small', 'disk']) mkdirSync(at(name));
  // The disk has more room than what is below it: it takes what is written, and loses it. A journal would stop it then.
  const image = join(at('small'), 'image');
  await namespace.run(`mount -t tmpfs -o size=48m small ${at('small')} && truncate -s 320M ${image}`);
  await namespace.run(
    `mkfs.ext4 -q -F -O ^has_journal -E lazy_itable_init=0 ${image} && mount -o loop,errors=continue ${image} ${at('disk')}`,
  );
  const work: LoseWrites = { root: join(at('disk'), 'store'), bytes: 96 << 20 };
  const output = await namespace
    .run(`'${process.execPath}' '${program}' '${JSON.stringify(work)}'`)
    .finally(() => namespace.run(`umount ${at('disk')}; umount ${at('small')}`));
  const lost = JSON.parse(output) as LostWrites;
  expect(lost.first).toBe(false);
  expect(lost.takes).toHaveLength(2);
  for (const code of lost.takes) expect(code).toMatch(/^(DataLoss|ResourceExhausted)$/);
});
