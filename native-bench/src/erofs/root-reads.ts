import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OVERLAYER, script } from '../paths.js';
import { type Command, run, shell } from '../run.js';
import { median } from '../statistics.js';
import { importImage } from './removal.js';

/** Forms of the layers under a root filesystem. With `directio`, EROFS reads their files past the page cache. */
export const ROOTS = ['erofs', 'erofs, directio', 'overlay'] as const;
export type Root = (typeof ROOTS)[number];

export const READS = [
  'start, cold',
  'start, warm',
  'find, cold',
  'find, warm',
  'read, cold',
  'read, warm',
  'read in a second container',
] as const;
type Read = (typeof READS)[number];

/** Programs that load some hundred files of a Debian with Python, Perl and Git. */
const START = `python3 -c 'import asyncio, ctypes, json, sqlite3, ssl, unittest' && perl -MPOSIX -e 1 && git --version`;

/** Times of the first and the second use of a container's root filesystem, a number for each round. */
export interface RootReads {
  readonly root: Root;
  readonly input: string;
  /** In seconds. */
  readonly times: Readonly<Record<Read, readonly number[]>>;
  /** Growth of the page cache while everything was read, in bytes: in one container, and then in a second one. */
  readonly cachedBytes: readonly number[];
  readonly cachedAgainBytes: readonly number[];
}

/** @param disk the file system of the stores, which no other page cache lies under */
export function measureRootReads(input: string, layout: string, disk: string, rounds: number): RootReads[] {
  const stores = { erofs: join(disk, 'erofs'), overlay: join(disk, 'overlay') };
  for (const backend of ['erofs', 'overlay'] as const) {
    mkdirSync(stores[backend]);
    importImage(backend, layout, stores[backend]);
  }
  run(['sync', '--file-system', disk]);
  const all = ROOTS.map((root) => ({ root, rounds: [] as ReadsOnce[] }));
  for (let round = 0; round < rounds; round += 1)
    for (const one of all) {
      const store = join(one.root === 'overlay' ? stores.overlay : stores.erofs, 'root');
      one.rounds.push(readOnce(one.root, store, join(disk, 'mounted')));
    }
  run(['rm', '-r', stores.erofs, stores.overlay]);
  return all.map(({ root, rounds }) => {
    const column = (read: Read) => rounds.map(({ times }) => times[read]);
    for (const read of READS)
      console.error(
        `reads    ${input.padEnd(13)} ${root.padEnd(16)} ${read.padEnd(26)} ${median(column(read)).toFixed(3)} s`,
      );
    return {
      root,
      input,
      times: Object.fromEntries(READS.map((read) => [read, column(read)])) as Record<Read, number[]>,
      cachedBytes: rounds.map(({ cached }) => cached),
      cachedAgainBytes: rounds.map(({ cachedAgain }) => cachedAgain),
    };
  });
}

interface ReadsOnce {
  readonly times: Readonly<Record<Read, number>>;
  readonly cached: number;
  readonly cachedAgain: number;
}

function readOnce(root: Root, store: string, target: string): ReadsOnce {
  const { mount, unmount } = mounter(root, store);
  const second = `${target}-2`;
  run(['mkdir', target, second]);
  const start = () => run(['chroot', target, 'sh', '-c', START]);
  const find = () => run(shell(`find ${target} -printf '%s %u %m\\n' >/dev/null`));
  const read = (directory = target) =>
    run(shell(`find ${directory} -type f -print0 | xargs -0 cat >/dev/null`));
  const twice = (work: () => void) => {
    dropCaches();
    run(mount(target));
    return [measure(work), measure(work)] as const;
  };

  const [startCold, startWarm] = twice(start);
  run(unmount(target));
  const [findCold, findWarm] = twice(find);
  run(unmount(target));
  const [readCold, readWarm] = twice(read);
  run(mount(second));
  const readAgain = measure(() => read(second));
  for (const directory of [second, target]) run(unmount(directory));
  run(['rmdir', target, second]);
  return {
    times: {
      'start, cold': startCold.seconds,
      'start, warm': startWarm.seconds,
      'find, cold': findCold.seconds,
      'find, warm': findWarm.seconds,
      'read, cold': readCold.seconds,
      'read, warm': readWarm.seconds,
      'read in a second container': readAgain.seconds,
    },
    cached: readCold.cached,
    cachedAgain: readAgain.cached,
  };
}

interface Mounter {
  mount(target: string): Command;
  unmount(target: string): Command;
}

function mounter(root: Root, store: string): Mounter {
  if (root === 'erofs, directio') {
    const mount = (command: string) => (target: string) => [
      ...script('mount-directio'),
      ...[command, store, target],
    ];
    return { mount: mount('mount'), unmount: mount('unmount') };
  }
  return {
    mount: (target) => [...OVERLAYER, 'mount', '--rw', '--root', store, 'image', target],
    unmount: (target) => [...OVERLAYER, 'unmount', '--root', store, target],
  };
}

/** The time of `work`, and the growth of the page cache. */
function measure(work: () => void): { readonly seconds: number; readonly cached: number } {
  const before = cachedBytes();
  const start = process.hrtime.bigint();
  work();
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  return { seconds, cached: cachedBytes() - before };
}

function dropCaches(): void {
  run(['sync']);
  writeFileSync('/proc/sys/vm/drop_caches', '3');
}

function cachedBytes(): number {
  return Number(/^Cached: +(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))![1]) * 1024;
}
