import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLmdbStore } from '../../src/metadata/lmdb-store.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const PAGE = 4096;
const DIST = new URL('../../dist/', import.meta.url).href;

/** Opens, reads all, writes. In a process of its own: what LMDB can't bear ends the process. */
const USE = `
const { openLmdbStore } = await import(${JSON.stringify(`${DIST}metadata/lmdb-store.js`)});
const say = (text) => require('node:fs').writeSync(1, text);
try {
  const store = openLmdbStore(process.argv[1]);
  store.read((transaction) => [...transaction.entries([])].length);
  await store.write((transaction) => transaction.put(['new'], 1));
  await store.close();
  say('fine');
} catch (error) {
  say(error.code + ' ' + error.hint);
}
process.exit(0);
`;

let directory: string;
let sound: Buffer;

beforeAll(async () => {
  directory = makeWorkDirectory();
  const path = join(directory, 'sound.db');
  const store = openLmdbStore(path);
  for (let batch = 0; batch < 8; batch++)
    await store.write((transaction) => {
      for (let number = 0; number < 50; number++)
        transaction.put(['snapshot', `name ${batch * 50 + number}`], { text: 'x'.repeat(200) });
      transaction.put(['large', batch], 'y'.repeat(3 * PAGE));
    });
  await store.close();
  sound = readFileSync(path);
});
afterAll(() => rmSync(directory, { recursive: true }));

/** @returns what became of it: 'fine', or the error's code and hint */
function use(file: Buffer): string {
  const path = join(directory, 'metadata.db');
  rmSync(`${path}-lock`, { force: true });
  writeFileSync(path, file);
  const args = [
    '--input-type=module',
    '--eval',
    `import { createRequire } from 'node:module';
const require = createRequire('/');${USE}`,
    path,
  ];
  const { stdout, stderr, signal } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return signal === null ? stdout || stderr : `killed by ${signal}: ${stderr}`;
}

const DAMAGED = 'DataLoss overlayer snapshots check --rebuild recovers what the directories show';

function overwritten(page: number, bytes: Buffer): Buffer {
  const file = Buffer.from(sound);
  bytes.copy(file, page * PAGE);
  return file;
}

test('an undamaged file, and an empty one', () => {
  expect(use(sound)).toBe('fine');
  expect(use(Buffer.alloc(0))).toBe('fine');
});

describe('a clear error, and no crash, for a file', () => {
  test.each<readonly [string, () => Buffer]>([
    ['of other content', () => Buffer.from('no metadata'.repeat(5000))],
    ['without its first header', () => overwritten(0, Buffer.alloc(PAGE))],
    ['without its second header', () => overwritten(1, Buffer.alloc(PAGE))],
    ['whose data are zeros', () => overwritten(2, Buffer.alloc(sound.length - 2 * PAGE))],
    ['whose data are ones', () => overwritten(2, Buffer.alloc(sound.length - 2 * PAGE, 0xff))],
    ...[1, 100, PAGE, 2 * PAGE, 3 * PAGE].map(
      (size): [string, () => Buffer] =>
        [`cut off after ${size} bytes`, () => sound.subarray(0, size)] as const,
    ),
    ['cut in half', () => sound.subarray(0, sound.length / 2)],
  ])('%s', (_, make) => {
    expect(use(make())).toBe(DAMAGED);
  });
});

test('a page with anything on it never ends the process', () => {
  const last = sound.length / PAGE - 1;
  const page = fc.integer({ min: 0, max: last });
  const bytes = fc.uint8Array({ minLength: 1, maxLength: PAGE });
  const at = fc.integer({ min: 0, max: PAGE - 1 });
  fc.assert(
    fc.property(page, at, bytes, (page, at, bytes) => {
      const file = Buffer.from(sound);
      file.set(bytes.subarray(0, PAGE - at), page * PAGE + at);
      const outcome = use(file);
      expect([DAMAGED, 'fine']).toContain(outcome);
    }),
    {
      numRuns: 40,
      seed: Number(process.env['OVERLAYER_FUZZ_SEED'] ?? 1),
      // Each ended the process, or had no clear error: a kind of page, page numbers of 64 bits, a transaction to
      // come, the list of free pages.
      examples: [
        [0, 7, new Uint8Array(12)],
        [last - 5, 6, Uint8Array.of(0, 0, 0, 1)],
        [last - 5, 6, Uint8Array.of(0, 0, 10)],
        [last, 4056, Uint8Array.of(171)],
      ],
    },
  );
});

test('opened by another who writes all the time, it is not mistaken for damaged', async () => {
  const path = join(directory, 'busy.db');
  copyFileSync(join(directory, 'sound.db'), path);
  const store = openLmdbStore(path);
  let busy = true;
  const writing = (async () => {
    for (let number = 0; busy; number++)
      await store.write((transaction) => {
        for (let name = 0; name < 20; name++)
          transaction.put(['snapshot', `name ${(number * 7 + name * 13) % 400}`], {
            text: 'z'.repeat(number % 300),
          });
      });
  })();
  const program = `const { findDamage } = await import(${JSON.stringify(`${DIST}metadata/lmdb-file.js`)});
for (let i = 0; i < 300; i++) { const damage = findDamage(process.argv[1]); if (damage) throw new Error(damage); }`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program, path], {
    stdio: 'inherit',
  });
  const [code] = await once(child, 'exit');
  busy = false;
  await writing;
  await store.close();
  expect(code).toBe(0);
});

test('a file that is longer than it need be is fine', () => {
  const path = join(directory, 'long.db');
  writeFileSync(path, sound);
  truncateSync(path, statSync(path).size + 10 * PAGE);
  expect(use(readFileSync(path))).toBe('fine');
});
