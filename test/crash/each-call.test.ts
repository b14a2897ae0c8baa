import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSnapshotter } from '../../src/index.js';
import { BACKENDS, type BackendName } from '../helpers/backends.js';
import { buildProgram } from '../helpers/build-program.js';
import { Interrupter } from '../helpers/interrupt-calls.js';
import { MountNamespace } from '../helpers/mount-namespace.js';
import { file, tar } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { type Claims, claimsOf, parseJournal } from './journal.js';
import { writeLayers } from './layers.js';
import type { DiskCheck } from './programs/check-disks.js';
import { checkStore, sumOf } from './programs/check-store.js';
import type { Life } from './programs/live.js';
import { RUNS, TIMEOUT } from './runs.js';

// A life of a store is cut off before a call that changes files, or the call is refused, in any thread. The power is cut
// before every call, as in power-cut.test.ts: the file of a disk is copied in one instant.

/** Interrupted lives for each way and backend, at calls that are spread over the life. */
const LIVES = 4 * RUNS;

/** For the others commit-steps.test.ts has the cuts of a commit; these cost 10 s for each. */
const CUT_BACKENDS: readonly BackendName[] = RUNS > 1 ? BACKENDS : ['erofs'];

const directory = makeWorkDirectory();
const at = (...names: string[]) => join(directory, ...names);
const layers = { base: writeLayers(directory)[0]!, dependent: join(directory, 'dependent') };
let interrupter: Interrupter;
let program: string;
let checkDisks: string;
let namespace: MountNamespace;
beforeAll(async () => {
  writeFileSync(layers.dependent, tar(file('etc/added', 'added')));
  interrupter = new Interrupter(directory);
  program = await buildProgram(new URL('programs/live.ts', import.meta.url), directory);
  checkDisks = await buildProgram(new URL('programs/check-disks.ts', import.meta.url), directory);
  namespace = await MountNamespace.start('root');
  for (const name of ['images', 'disk', 'cut']) mkdirSync(at(name));
  const image = at('images.xfs');
  await namespace.run(
    `truncate -s 2G ${image} && mkfs.xfs -q ${image} && mount -o loop ${image} ${at('images')}`,
  );
});
afterAll(async () => {
  await namespace.close();
  rmSync(directory, { recursive: true });
});

type Interruption = Parameters<Interrupter['run']>[2];

/** @returns `killed`, or the errors without a code */
async function live(
  life: Life,
  interruption?: Interruption,
): Promise<{ readonly end: unknown; readonly calls: number }> {
  writeFileSync(life.journal, '');
  const { end, calls } = await interrupter.run(program, life, interruption);
  return { end: end.startsWith('[') ? JSON.parse(end) : end, calls };
}

interface Cut {
  readonly disk: string;
  /** The time of the last write to the disk. */
  readonly written: bigint;
  readonly claims: Claims;
}

/** Lives on a disk that is copied before each call, calls of LMDB included. */
async function liveOnDisk(life: Life, disk: string): Promise<readonly Cut[]> {
  const { journal } = life;
  const copy = (when: string) => `cp '${journal}' '${journal}-${when}'$CALL`;
  const copies = `${copy('before')}; cp -p --reflink=always '${disk}' '${disk}-'$CALL; ${copy('after')}`;
  const { end, calls } = await live(life, {
    prefix: namespace.prefix,
    call: 'each',
    action: copies,
    except: '',
  });
  expect(end).toEqual([]);
  const lines = (when: string) => parseJournal(readFileSync(`${journal}-${when}`, 'utf8'));
  return Array.from({ length: calls }, (_, index) => {
    const call = index + 1;
    const { mtimeNs } = statSync(namespace.view(`${disk}-${call}`), { bigint: true });
    const claims = claimsOf(lines(`before${call}`), lines(`after${call}`));
    return { disk: `${disk}-${call}`, written: mtimeNs, claims };
  });
}

/** Cuts between two writes to the disk leave the same: all that they claim must hold there. */
function joinCuts(cuts: readonly Cut[]): readonly Cut[] {
  const joined = new Map<bigint, Cut>();
  for (const cut of cuts) {
    const { present = [], absent = [] } = joined.get(cut.written)?.claims ?? {};
    const claims = {
      present: [...new Set([...present, ...cut.claims.present])],
      absent: [...new Set([...absent, ...cut.claims.absent])],
      sums: {},
    };
    joined.set(cut.written, { ...cut, claims });
  }
  return [...joined.values()];
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
    const whole = await live(life);
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
      const { end } = await live(life, { call, action: error });
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

  if (CUT_BACKENDS.includes(backend))
    test('the power is cut before each call: what was acknowledged is whole', async () => {
      const disk = at('images', backend);
      const mounted = at('disk');
      await namespace.run(
        `truncate -s 128M ${disk} && mkfs.ext4 -q ${disk} && mount -o loop ${disk} ${mounted}`,
      );
      const life = { ...lifeOf('on a disk'), root: join(mounted, 'store') };
      const cuts = await liveOnDisk(life, disk).finally(() => namespace.run(`umount ${mounted}`));
      const checks = joinCuts(cuts).map(({ disk, claims }): DiskCheck => {
        const place = { disk, mountPoint: at('cut'), root: at('cut', 'store') };
        return { ...place, backend, layer: layers.base, claims: { ...claims, sums } };
      });
      const problems = await namespace.run(
        `'${process.execPath}' '${checkDisks}' '${JSON.stringify(checks)}'`,
      );
      expect(JSON.parse(problems)).toEqual([]);
      await namespace.run(`rm ${disk}*`);
    });
});
