import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BACKENDS } from '../helpers/backends.js';
import { buildProgram } from '../helpers/build-program.js';
import { MountNamespace } from '../helpers/mount-namespace.js';
import { file, tar } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { writeLayers } from './layers.js';
import type { CommitOnFullDisk, CommittedOnFullDisk } from './programs/commit-on-full-disk.js';
import type { FillDisk, FilledDisk } from './programs/fill-disk.js';

// A store on a small file system, which is filled up at each step.

const directory = makeWorkDirectory();
const place = join(directory, 'mounted');
const large = join(directory, 'large-layer');
const hollow = join(directory, 'hollow-layer');
let namespace: MountNamespace;
let program: string;
let commit: string;
let small: string;

beforeAll(async () => {
  mkdirSync(place);
  small = writeLayers(directory)[0]!;
  writeFileSync(large, tar(file('first', 'x'), file('large', Buffer.alloc(24 << 20, 'x'))));
  writeFileSync(hollow, tar(...Array.from({ length: 20_000 }, (_, index) => file(`${index}`))));
  program = await buildProgram(new URL('programs/fill-disk.ts', import.meta.url), directory);
  commit = await buildProgram(new URL('programs/commit-on-full-disk.ts', import.meta.url), directory);
  namespace = await MountNamespace.start('root');
});
afterAll(async () => {
  await namespace.close();
  rmSync(directory, { recursive: true });
});

const image = join(directory, 'image');
const ext4 = `truncate -s 20M ${image} && mkfs.ext4 -q -F ${image} && mount -o loop ${image} ${place}`;

const tmpfs = `mount -t tmpfs -o size=12m tmpfs ${place}`;

describe.each(BACKENDS)('%s', (backend) => {
  test.each([
    ['tmpfs', tmpfs],
    ['ext4', ext4],
  ] as const)('%s: whatever is refused says why, and all space is given back', async (_fileSystem, mount) => {
    await namespace.run(mount);
    const work: FillDisk = { place, backend, layers: { small, large } };
    const output = await namespace
      .run(`'${process.execPath}' '${program}' '${JSON.stringify(work)}'`)
      .finally(() => namespace.run(`umount ${place}`));
    const { outcomes, before, after, problems } = JSON.parse(
      output.slice(output.lastIndexOf('\n') + 1),
    ) as FilledDisk;
    expect(outcomes).toEqual({
      'open a new store': 'ResourceExhausted',
      unpack: 'ResourceExhausted',
      'remove what was unpacked half': 'done',
      prepare: 'ResourceExhausted',
      read: 'done',
      // It writes a small file: there may be a last block for it, or none.
      commit: expect.stringMatching(/^(?:done|ResourceExhausted)$/),
      remove: 'done',
      update: 'ResourceExhausted',
      'read after metadata were refused': 'done',
    });
    expect(after).toBe(before);
    expect(problems).toEqual([]);
  });
});

test.each([
  ['tmpfs', 'overlay', tmpfs],
  ['ext4', 'native', ext4],
] as const)(
  '%s, %s: a commit that is refused leaves it active, and is done with space',
  async (fileSystem, backend, mount) => {
    await namespace.run(mount);
    // Files without content take no blocks of a tmpfs.
    const hollowHere = fileSystem === 'tmpfs' ? hollow : undefined;
    const work: CommitOnFullDisk = { place, backend, layer: small, hollow: hollowHere };
    const output = await namespace
      .run(`'${process.execPath}' '${commit}' '${JSON.stringify(work)}'`)
      .finally(() => namespace.run(`umount ${place}`));
    expect(JSON.parse(output.slice(output.lastIndexOf('\n') + 1)) as CommittedOnFullDisk).toEqual({
      'ResourceExhausted: Cannot write the manifest': 'active key; recorded active key',
      'ResourceExhausted: Cannot commit snapshot': 'active key; recorded active key',
      commit: 'done',
      contents: 'whole',
      ...(hollowHere === undefined
        ? {}
        : {
            unpack: expect.stringMatching(/^ResourceExhausted: Cannot write the manifest/),
            'after that': 'committed name',
            'unpack with space': 'done',
          }),
      check: '',
    });
  },
);
