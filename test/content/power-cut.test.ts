import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RUNS, TIMEOUT } from '../crash/runs.js';
import { buildProgram } from '../helpers/build-program.js';
import { MountNamespace } from '../helpers/mount-namespace.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { committed, lastSteps } from './look-through.js';
import type { Work } from './programs/ingest.js';
import type { Look } from './programs/look-through.js';

// As in test/crash/power-cut.test.ts: the disk is copied in one instant, while others write to it. Ingests are left
// out, of which nobody has said that they are on disk.

const CUTS = 4 * RUNS;

const directory = makeWorkDirectory();
const at = (...names: string[]) => join(directory, ...names);
let namespace: MountNamespace;
let work: string;
let look: string;

beforeAll(async () => {
  work = await buildProgram(new URL('programs/ingest.ts', import.meta.url), directory);
  look = await buildProgram(new URL('programs/look-through.ts', import.meta.url), directory);
  for (const name of ['images', 'mounted', 'cut']) mkdirSync(at(name));
  namespace = await MountNamespace.start('root');
  await namespace.run(
    `truncate -s 1G ${at('xfs')} && mkfs.xfs -q ${at('xfs')} && mount -o loop ${at('xfs')} ${at('images')}`,
  );
});
afterAll(async () => {
  await namespace.close();
  rmSync(directory, { recursive: true });
});

const program = (path: string, argument: Work | Look) =>
  `'${process.execPath}' '${path}' '${JSON.stringify(argument)}'`;

test(
  `after ${CUTS} power cuts every blob is whole, and none is lost that was acknowledged`,
  async () => {
    const [disk, cut, journal] = [at('images/disk'), at('images/cut'), at('journal')];
    writeFileSync(journal, '');
    await namespace.run(
      `truncate -s 128M ${disk} && mkfs.ext4 -q ${disk} && mount -o loop ${disk} ${at('mounted')}`,
    );
    const argument = { directory: at('mounted'), journal, seed: 4 };
    const pid = Number(await namespace.run(`${program(work, argument)} >${at('output')} 2>&1 & echo $!`));
    let acknowledged = 0;
    try {
      while (lastSteps(readFileSync(journal, 'utf8')).size < 3) await wait(10);
      for (let count = 1; count <= CUTS; count++) {
        await wait(Math.random() * 100);
        const before = readFileSync(journal, 'utf8');
        await namespace.run(`cp --reflink=always ${disk} ${cut}`);
        const later = lastSteps(readFileSync(journal, 'utf8').slice(before.length));
        const names = committed(before).filter((name) => !later.has(name));
        acknowledged += names.length;
        process.kill(pid, 'SIGSTOP');
        await namespace.run(`mount -o loop ${cut} ${at('cut')}`);
        const problems = await namespace
          .run(program(look, { directory: at('cut'), names }))
          .finally(() => namespace.run(`umount ${at('cut')}`));
        expect(JSON.parse(problems), `cut ${count}`).toEqual([]);
        process.kill(pid, 'SIGCONT');
      }
    } finally {
      process.kill(pid, 'SIGKILL');
    }
    expect(readFileSync(at('output'), 'utf8')).toBe('');
    expect(acknowledged).toBeGreaterThan(0);
  },
  TIMEOUT,
);
