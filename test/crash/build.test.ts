import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openStore } from '../../src/index.js';
import { BACKENDS, type BackendName, makeBackend } from '../helpers/backends.js';
import { buildProgram } from '../helpers/build-program.js';
import { Interrupter } from '../helpers/interrupt-calls.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { contentsOf, type StoreContents } from '../image/use-store.js';
import { writeLayers } from './layers.js';
import type { Build } from './programs/build.js';
import { sumOf } from './programs/check-store.js';
import { pathsOf } from './programs/fill-snapshot.js';
import { RUNS, TIMEOUT } from './runs.js';

// A snapshot is committed as an image. The commit is cut off before a call that changes files, or the call is refused, in
// any thread.

/** Interrupted commits for each way and backend, at calls that are spread over the commit. */
const COMMITS = 2 * RUNS;

const directory = makeWorkDirectory();
const [layer] = writeLayers(directory);
let interrupter: Interrupter;
let program: string;
beforeAll(async () => {
  interrupter = new Interrupter(directory);
  program = await buildProgram(new URL('programs/build.ts', import.meta.url), directory);
});
afterAll(() => rmSync(directory, { recursive: true }));

const open = (root: string, backend: BackendName) => openStore({ root, backend: makeBackend(backend, root) });

/** A store with the image `base`, and an active snapshot `work` on it, which was written to. */
async function makeStore(root: string, backend: BackendName): Promise<void> {
  const store = await open(root, backend);
  try {
    const base = await store.createImage({ name: 'base', layers: [{ archive: layer! }] });
    const parent = (await base.contents()).layers.at(-1)!.chainID;
    const { own } = pathsOf(await store.snapshots.prepare('work', { parent }));
    mkdirSync(join(own, 'new'));
    for (let number = 0; number < 20; number++)
      writeFileSync(join(own, 'new', `file${number}`), `${number} `.repeat(number * 500));
    linkSync(join(own, 'new/file1'), join(own, 'new/link'));
    symlinkSync('file2', join(own, 'new/symlink'));
  } finally {
    await store.close();
  }
}

interface Look extends StoreContents {
  readonly findings: readonly string[];
}

/** Cleans a store up after a crash, and looks into it. */
async function lookInto(root: string, backend: BackendName): Promise<Look> {
  const store = await open(root, backend);
  try {
    await store.images.prune();
    await store.snapshots.cleanup();
    const { findings } = await store.snapshots.check();
    const { snapshots, blobs, ...rest } = await contentsOf(store);
    return {
      ...rest,
      snapshots: snapshots.toSorted(),
      blobs: blobs.toSorted(),
      findings: findings.map(({ kind, path, detail }) => `${kind}: ${path}: ${detail}`),
    };
  } finally {
    await store.close();
  }
}

/** A checksum of the uppermost layer of the image `committed`. */
async function sumOfImage(root: string, backend: BackendName): Promise<string> {
  const store = await open(root, backend);
  try {
    const { layers } = await (await store.images.get('committed')).contents();
    return await sumOf(store.snapshots, layers.at(-1)!.chainID);
  } finally {
    await store.close();
  }
}

describe.each(BACKENDS)('%s', { timeout: TIMEOUT }, (backend) => {
  const template = join(directory, backend);
  const copy = (name: string): Build => {
    const root = join(directory, `${backend} ${name}`);
    execFileSync('cp', ['-a', template, root]);
    return { root, backend, key: 'work' };
  };
  let calls: number;
  let digest: string;
  let sum: string;
  let before: Look;
  let after: Look;

  beforeAll(async () => {
    await makeStore(template, backend);
    before = await lookInto(template, backend);
    const whole = copy('whole');
    ({ end: digest, calls } = await interrupter.run(program, whole));
    after = await lookInto(whole.root, backend);
    sum = await sumOfImage(whole.root, backend);
    expect([before.findings, after.findings, after.images.length]).toEqual([[], [], 2]);
  });

  test.each([
    ['killed', 0],
    ['refused by EIO', constants.errno.EIO],
    ['refused by ENOSPC', constants.errno.ENOSPC],
  ] as const)(
    `${COMMITS} commits, each %s at a call: all of the image is there, or nothing`,
    async (how, error) => {
      for (let number = 0; number < COMMITS; number++) {
        const call = 1 + Math.floor(((number + Math.random()) * calls) / COMMITS);
        const where = `${how} at call ${call} of ${calls}`;
        const life = copy(`${how} ${number}`);
        const { end } = await interrupter.run(program, life, { call, action: error });
        const found = await lookInto(life.root, backend);
        expect(end, where).toMatch(error === 0 ? /^(killed|sha256:.*)$/ : /^(sha256:.*|[A-Z][A-Za-z]+)$/);
        if (end.startsWith('sha256:')) expect([end, found], where).toEqual([digest, after]);
        else expect([before, after], where).toContainEqual(found);
        // The next commit is not disturbed.
        expect((await interrupter.run(program, life)).end, where).toBe(digest);
        expect(await sumOfImage(life.root, backend), where).toBe(sum);
        rmSync(life.root, { recursive: true });
      }
    },
  );
});
