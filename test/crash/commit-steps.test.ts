import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSnapshotter, unpackSnapshot } from '../../src/index.js';
import { BACKENDS, layerIn } from '../helpers/backends.js';
import { buildProgram } from '../helpers/build-program.js';
import { MountNamespace } from '../helpers/mount-namespace.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { writeLayers } from './layers.js';
import { type CheckCommit, type CheckedCommit, checkCommit } from './programs/check-commit.js';
import type { CommitInSteps } from './programs/commit-in-steps.js';
import { RECORD_STEPS, type RecordStep } from './programs/record-steps.js';
import { contentSum } from './programs/tree-sum.js';

// A layer is unpacked and committed, and cut off at each thing that the commit does with the record file.

const directory = makeWorkDirectory();
const at = (...names: string[]) => join(directory, ...names);
let layer: string;
let commit: string;
let check: string;
const sums: Record<string, string> = {};

beforeAll(async () => {
  layer = writeLayers(directory)[0]!;
  commit = await buildProgram(new URL('programs/commit-in-steps.ts', import.meta.url), directory);
  check = await buildProgram(new URL('programs/check-commits.ts', import.meta.url), directory);
  for (const backend of BACKENDS) {
    const root = at(`whole-${backend}`);
    const snapshots = await openSnapshotter({ root, backend });
    await unpackSnapshot(snapshots, layer, { name: 'layer' });
    await snapshots.close();
    sums[backend] = await contentSum(join(root, 'snapshots/1', layerIn(backend)));
  }
});
afterAll(() => rmSync(directory, { recursive: true }));

describe.each(['overlay', 'erofs'] as const)('%s: killed when the record file is', (backend) => {
  test.each(RECORD_STEPS)('%s', async (killAt) => {
    const root = at(`killed ${backend} ${killAt}`);
    const work: CommitInSteps = { root, backend, layer, killAt };
    const { signal, stderr } = spawnSync(process.execPath, [commit, JSON.stringify(work)]);
    expect([signal, String(stderr)]).toEqual(['SIGKILL', '']);
    const seen = await checkCommit({ root, backend, sum: sums[backend]! });
    const renamed = RECORD_STEPS.indexOf(killAt) >= RECORD_STEPS.indexOf('renamed');
    expect(seen).toEqual({ recorded: 'absent', rebuilt: renamed ? 'whole' : 'absent', problems: [] });
  });
});

describe('the power is cut', () => {
  let namespace: MountNamespace;
  beforeAll(async () => {
    for (const name of ['images', 'disk', 'cut']) mkdirSync(at(name));
    namespace = await MountNamespace.start('root');
    // It clones files, each as it is at one instant: see power-cut.test.ts.
    await namespace.run(
      `truncate -s 2G ${at('xfs')} && mkfs.xfs -q ${at('xfs')} && mount -o loop ${at('xfs')} ${at('images')}`,
    );
  });
  afterAll(() => namespace.close());

  const run = async (program: string, argument: CommitInSteps | CheckCommit) =>
    await namespace.run(`'${process.execPath}' '${program}' '${JSON.stringify(argument)}'`);

  test.each([
    ['ext4', 'overlay', 'mkfs.ext4 -q', 'loop'],
    ['xfs', 'native', 'mkfs.xfs -q', 'loop,nouuid'],
    ['ext4', 'erofs', 'mkfs.ext4 -q', 'loop'],
  ] as const)('%s, %s: at each step', async (fileSystem, backend, make, options) => {
    const disk = at('images', `${fileSystem}-${backend}`);
    await namespace.run(`truncate -s 320M ${disk} && ${make} ${disk} && mount -o loop ${disk} ${at('disk')}`);
    await run(commit, { root: at('disk', 'store'), backend, layer, disk }).finally(() =>
      namespace.run(`umount ${at('disk')}`),
    );
    const seen: [RecordStep | 'committed', CheckedCommit][] = [];
    for (const step of [...RECORD_STEPS, 'committed'] as const) {
      await namespace.run(`mount -o ${options} ${disk}-${step.replace(' ', '-')} ${at('cut')}`);
      const output = await run(check, { root: at('cut', 'store'), backend, sum: sums[backend]! }).finally(
        () => namespace.run(`umount ${at('cut')}`),
      );
      seen.push([step, JSON.parse(output) as CheckedCommit]);
    }
    const state = (recorded: string, rebuilt: unknown) => ({ recorded, rebuilt, problems: [] });
    expect(seen).toEqual([
      ['opened', state('absent', 'absent')],
      ['half written', state('absent', 'absent')],
      ['written', state('absent', 'absent')],
      ['contents synced', state('absent', 'absent')],
      // Whether the rename is on the disk already is the file system's to say.
      ['renamed', state('absent', expect.stringMatching(/absent|whole/))],
      ['synced', state('absent', 'whole')],
      ['committed', state('whole', 'whole')],
    ]);
  });
});
