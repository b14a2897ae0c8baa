import { execFile, execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSnapshotter } from '../../src/index.js';
import { BACKENDS } from '../helpers/backends.js';
import { buildProgram } from '../helpers/build-program.js';
import { file, tar } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { claimsOf, parseJournal } from './journal.js';
import { writeLayers } from './layers.js';
import { checkStore, sumOf } from './programs/check-store.js';
import type { Life } from './programs/live.js';
import { RUNS, TIMEOUT } from './runs.js';

// A life of a store is cut off before a call that changes files, or the call is refused, in any thread.

/** Interrupted lives for each way and backend, at calls that are spread over the life. */
const LIVES = 4 * RUNS;

/** Milliseconds, far more than a life takes: a process that does not end is a failure. */
const LONGEST_LIFE = 60_000;

const directory = makeWorkDirectory();
const layers = { base: writeLayers(directory)[0]!, dependent: join(directory, 'dependent') };
const interruptCalls = join(directory, 'interrupt-calls');
let program: string;
beforeAll(async () => {
  writeFileSync(layers.dependent, tar(file('etc/added', 'added')));
  const source = fileURLToPath(new URL('../helpers/interrupt-calls.c', import.meta.url));
  execFileSync('g++', ['-x', 'c', source, '-o', interruptCalls]);
  program = await buildProgram(new URL('programs/live.ts', import.meta.url), directory);
});
afterAll(() => rmSync(directory, { recursive: true }));

interface Lived {
  /** `killed`, or the errors without a code. */
  readonly end: unknown;
  readonly calls: number;
}

/** @param error that the call fails with; 0: the process is killed before it */
async function live(life: Life, call: number, error: number): Promise<Lived> {
  const count = `${life.journal}-count`;
  writeFileSync(life.journal, '');
  const command = [process.execPath, program, JSON.stringify(life)];
  // LMDB has tests of its own: kill.test.ts, power-cut.test.ts, and those of src/metadata/.
  const interruption = [String(call), String(error), count, 'metadata.db'];
  const end = await new Promise<unknown>((resolve) => {
    execFile(
      interruptCalls,
      [...interruption, ...command],
      { timeout: LONGEST_LIFE },
      (failure, output, errors) => {
        if (failure === null) resolve(JSON.parse(output));
        else
          resolve(failure.code === 128 + constants.signals.SIGKILL ? 'killed' : `${failure.code}: ${errors}`);
      },
    );
  });
  return { end, calls: Number(readFileSync(count, 'utf8')) };
}

describe.each(BACKENDS)('%s', { timeout: TIMEOUT }, (backend) => {
  const lifeOf = (name: string): Life => {
    const root = join(directory, `${backend} ${name}`);
    return { root, backend, layers, journal: `${root} journal` };
  };
  const sums: Record<string, string> = {};
  let calls = 0;

  beforeAll(async () => {
    const life = lifeOf('whole');
    const whole = await live(life, 0, 0);
    expect(whole.end).toEqual([]);
    ({ calls } = whole);
    await using snapshots = await openSnapshotter({ root: life.root, backend });
    for (const name of ['filled', 'written', 'dependent']) sums[name] = await sumOf(snapshots, name);
    // The layer of the lowest snapshot; the native backend keeps whole trees.
    sums['shared'] = sums['filled']!;
    sums['taken'] = backend === 'native' ? sums['written']! : sums['filled']!;
  });

  test.each([
    ['killed', 0],
    ['refused by EIO', constants.errno.EIO],
    ['refused by ENOSPC', constants.errno.ENOSPC],
  ] as const)(`${LIVES} lives, each %s at a call: what was acknowledged is whole`, async (how, error) => {
    for (let number = 0; number < LIVES; number++) {
      const call = 1 + Math.floor(((number + Math.random()) * calls) / LIVES);
      const life = lifeOf(`${how} ${number}`);
      const { end } = await live(life, call, error);
      const lines = parseJournal(readFileSync(life.journal, 'utf8'));
      const claims = { ...claimsOf(lines, lines), sums };
      const problems = await checkStore({ root: life.root, backend, claims, layer: layers.base });
      // Threads take turns in another order each time: a late call may not come.
      const ends = error === 0 ? ['killed', []] : [[]];
      expect(ends, `${how} at call ${call}`).toContainEqual(end);
      expect(problems, `${how} at call ${call}`).toEqual([]);
      rmSync(life.root, { recursive: true });
    }
  });
});
