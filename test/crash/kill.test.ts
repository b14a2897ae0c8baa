import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildProgram } from '../helpers/build-program.js';
import { MountNamespace } from '../helpers/mount-namespace.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { claimsOf, NO_CLAIMS, parseJournal, type Step } from './journal.js';
import { writeLayers } from './layers.js';
import { checkStore } from './programs/check-store.js';
import type { Work } from './programs/work.js';
import { RUNS, TIMEOUT } from './runs.js';

// A process that prepares, unpacks, commits and removes is killed at a random moment; then the store is opened, looked
// through, and left to the next one.

const KILLS = 50 * RUNS;
/** That a process says before it is killed. */
const MOST_STEPS = 6;

const directory = makeWorkDirectory();
const layers = writeLayers(directory);
const interrupted = new Set<Step>();
let program: string;

beforeAll(async () => {
  program = await buildProgram(new URL('programs/work.ts', import.meta.url), directory);
});
afterAll(() => rmSync(directory, { recursive: true }));

interface Worker {
  readonly child: ChildProcess;
  /** Once it only waits for the word. */
  readonly ready: Promise<unknown>;
}

function start(work: Omit<Work, 'owner'>): Worker {
  const argument: Work = { ...work, owner: process.pid };
  const child = spawn(process.execPath, [program, JSON.stringify(argument)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return { child, ready: once(child, 'message') };
}

/** Kills it in the midst of what follows its so-manieth step. */
async function killAfter(steps: number, { child, ready }: Worker): Promise<void> {
  const exit = once(child, 'exit');
  await ready;
  const begin = performance.now();
  child.send('go');
  for (let step = 0; step < steps; step++) await once(child, 'message');
  // At any moment of the next few steps, however fast the machine is.
  await wait((Math.random() * 3 * (performance.now() - begin)) / (steps + 1));
  child.kill('SIGKILL');
  const [, signal] = await exit;
  if (signal !== 'SIGKILL') throw new Error('the process at work has failed by itself');
}

test.each([
  ['overlay', 1, 2],
  ['overlay', 2, 1],
  ['overlay', 3, 1],
  ['native', 4, 1],
  ['erofs', 5, 2],
] as const)(
  `%s, store %i: ${KILLS} times killed, nothing is lost and nothing left over`,
  async (backend, number, lanes) => {
    const root = join(directory, `store${number}`);
    const journal = join(directory, `journal${number}`);
    writeFileSync(journal, '');
    const [layer] = layers as [string];
    await checkStore({ root, backend, claims: NO_CLAIMS, layer });

    let next = start({ root, backend, layers, journal, run: 0, lanes });
    try {
      for (let run = 1; run <= KILLS; run++) {
        const worker = next;
        // It gets ready meanwhile.
        next = start({ root, backend, layers, journal, run, lanes });
        await killAfter(Math.floor(Math.random() * MOST_STEPS), worker);
        const lines = parseJournal(readFileSync(journal, 'utf8'));
        if (lines.length > 0) interrupted.add(lines.at(-1)!.step);
        const claims = claimsOf(lines, lines);
        expect(await checkStore({ root, backend, claims, layer }), `after ${run} kills`).toEqual([]);
      }
    } finally {
      next.child.kill('SIGKILL');
    }
  },
  TIMEOUT,
);

test('each step was in the midst of it some time', () => {
  expect([...interrupted]).toEqual(expect.arrayContaining(['preparing', 'committing', 'removing']));
});

test.each(['detached', 'threaded'])(
  'killed while it finds out what overlayfs can do (%s): nothing stays mounted, and the next one cleans up',
  async (when) => {
    const die = await buildProgram(new URL('programs/die-while-probing.ts', import.meta.url), directory);
    const check = await buildProgram(new URL('programs/check.ts', import.meta.url), directory);
    const namespace = await MountNamespace.start('root');
    try {
      const node = `'${process.execPath}'`;
      // It looks for the mount while it works: on a busy machine it sees it not every time.
      let root = '';
      let end = '';
      for (let attempt = 0; attempt < 20 && !end.endsWith('137\n'); attempt++) {
        root = join(directory, `${when}-${attempt}`);
        end = await namespace.run(`${node} '${die}' '${root}' '${when}'; echo $?`);
      }
      expect(end).toMatch(/137\n$/);
      expect(readdirSync(join(root, 'snapshots'))).toEqual([expect.stringMatching(/^new-probe-/)]);
      expect(await namespace.run('cat /proc/self/mountinfo')).not.toContain(root);
      const work = [{ root, backend: 'overlay', claims: NO_CLAIMS, layer: layers[0] }];
      expect(await namespace.run(`${node} '${check}' '${JSON.stringify(work)}'`)).toBe('[]');
    } finally {
      await namespace.close();
    }
  },
);
