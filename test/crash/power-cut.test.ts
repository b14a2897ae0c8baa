import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BACKENDS, type BackendName } from '../helpers/backends.js';
import { buildProgram } from '../helpers/build-program.js';
import { MountNamespace } from '../helpers/mount-namespace.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { claimsOf, type Line, parseJournal } from './journal.js';
import { writeLayers } from './layers.js';
import type { Check } from './programs/check-store.js';
import type { Work } from './programs/work.js';
import { RUNS, TIMEOUT } from './runs.js';

// The store is on a file system of its own, on a loop device, whose file is copied while work goes on. The copy is all
// that the file system has handed to the disk up to one instant, and nothing of what it still had in memory: what a
// power cut leaves. It is of one instant since the file is on an xfs, which clones a file (FICLONE) under the lock that
// each write to it takes. (Stopping the process that works would not do: the kernel goes on writing for it.) The loop
// device goes through the page cache of that xfs, which is the cache of the disk then: the clone includes it, as a disk
// keeps what it has said to be written. What a disk's own cache loses is for the file system's barriers to care about.

const CUTS = 20 * RUNS;
/** Milliseconds between two. */
const LONGEST_TIME = 200;

const FILE_SYSTEMS = {
  ext4: { make: 'mkfs.ext4 -q', options: 'loop' },
  // The copy has the same UUID.
  xfs: { make: 'mkfs.xfs -q', options: 'loop,nouuid' },
} as const;

const directory = makeWorkDirectory();
const at = (...names: string[]) => join(directory, ...names);
let namespace: MountNamespace;
let layers: readonly string[];
let work: string;
let check: string;

beforeAll(async () => {
  layers = writeLayers(directory);
  work = await buildProgram(new URL('programs/work.ts', import.meta.url), directory);
  check = await buildProgram(new URL('programs/check.ts', import.meta.url), directory);
  for (const name of ['images', 'cut']) mkdirSync(at(name));
  namespace = await MountNamespace.start('root');
  const image = at('images.xfs');
  await namespace.run(
    `truncate -s 2G ${image} && mkfs.xfs -q ${image} && mount -o loop ${image} ${at('images')}`,
  );
});
afterAll(async () => {
  await namespace.close();
  rmSync(directory, { recursive: true });
});

const program = (path: string, argument: Work | readonly Check[]) =>
  `'${process.execPath}' '${path}' '${JSON.stringify(argument)}'`;

function readJournal(path: string): Line[] {
  return parseJournal(readFileSync(path, 'utf8'));
}

function countCommits(journal: string): number {
  return readJournal(journal).filter(({ step }) => step === 'committed').length;
}

/** Waits until each store has committed since. @returns the commits of each */
async function awaitCommits(
  journals: readonly string[],
  since: readonly number[],
): Promise<readonly number[]> {
  for (;;) {
    const now = journals.map(countCommits);
    if (now.every((count, index) => count > since[index]!)) return now;
    await wait(10);
  }
}

test.each(['ext4', 'xfs'] as const)(
  `%s: after ${CUTS} power cuts, nothing that was acknowledged is lost`,
  async (fileSystem) => {
    const { make, options } = FILE_SYSTEMS[fileSystem];
    const [disk, cut] = [at('images', fileSystem), at('images', 'cut')];
    const mounted = at(fileSystem);
    mkdirSync(mounted);
    await namespace.run(`truncate -s 320M ${disk} && ${make} ${disk} && mount -o loop ${disk} ${mounted}`);
    // A store of each backend, on the one disk.
    const workers: { readonly backend: BackendName; readonly pid: number }[] = [];
    const journal = (backend: string) => at(`journal-${fileSystem}-${backend}`);
    const output = (backend: string) => at(`output-${fileSystem}-${backend}`);
    const acknowledged = { overlay: 0, native: 0, erofs: 0 };
    try {
      for (const backend of BACKENDS) {
        writeFileSync(journal(backend), '');
        const root = join(mounted, backend);
        const argument = {
          root,
          backend,
          layers,
          journal: journal(backend),
          run: 0,
          lanes: 1,
          owner: process.pid,
        };
        const line = `${program(work, argument)} >${output(backend)} 2>&1 & echo $!`;
        workers.push({ backend, pid: Number(await namespace.run(line)) });
      }
      let commits: readonly number[] = BACKENDS.map(() => 0);
      for (let count = 1; count <= CUTS; count++) {
        // A loaded machine gets as much work done between two cuts.
        commits = await awaitCommits(BACKENDS.map(journal), commits);
        await wait(Math.random() * LONGEST_TIME);
        const before = BACKENDS.map((backend) => readJournal(journal(backend)));
        await namespace.run(`cp --reflink=always ${disk} ${cut}`);
        const checks = BACKENDS.map((backend, index) => {
          const claims = claimsOf(before[index]!, readJournal(journal(backend)));
          acknowledged[backend] += claims.present.length;
          return { root: at('cut', backend), backend, claims, layer: layers[0]! };
        });
        // Time for the check alone: the cuts are to come in the midst of work.
        for (const { pid } of workers) process.kill(pid, 'SIGSTOP');
        await namespace.run(`mount -o ${options} ${cut} ${at('cut')}`);
        const problems = await namespace
          .run(program(check, checks))
          .finally(() => namespace.run(`umount ${at('cut')}`));
        expect(JSON.parse(problems), `cut ${count}`).toEqual([]);
        for (const { pid } of workers) process.kill(pid, 'SIGCONT');
      }
    } finally {
      for (const { pid } of workers) process.kill(pid, 'SIGKILL');
    }
    for (const backend of BACKENDS) {
      expect(readFileSync(output(backend), 'utf8')).toBe('');
      expect(acknowledged[backend]).toBeGreaterThan(CUTS);
    }
  },
  TIMEOUT,
);
