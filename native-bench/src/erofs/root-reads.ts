import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OVERLAYER, script } from '../paths.js';
import { type Command, run, shell } from '../run.js';
import { median } from '../statistics.js';
import { importImage } from './removal.js';

/** What the layers of a root filesystem are; with `directio`, EROFS reads their files past the page cache. */
export const ROOTS = ['erofs', 'erofs, directio', 'overlay'] as const;
export type Root = (typeof ROOTS)[number];

export const READS = [
  'start, cold',
  'start, warm',
  'find, cold',
  'find, warm',
  'read, cold',
  'read, warm',
] as const;

/** Programs that load some hundred files of a Debian with Python, Perl and Git. */
const START = `python3 -c 'import asyncio, ctypes, json, sqlite3, ssl, unittest' && perl -MPOSIX -e 1 && git --version`;

/** What the first and the second use of a container's root filesystem take, a number for each round. */
export interface RootReads {
  readonly root: Root;
  readonly input: string;
  /** In seconds. */
  readonly times: Readonly<Record<(typeof READS)[number], readonly number[]>>;
  /** What the page cache grew by while everything was read once, in bytes. */
  readonly cachedBytes: readonly number[];
}

/** @param disk the file system of the stores, which no other page cache lies under */
export function measureRootReads(input: string, layout: string, disk: string, rounds: number): RootReads[] {
  const stores = { erofs: join(disk, 'erofs'), overlay: join(disk, 'overlay') };
  for (const backend of ['erofs', 'overlay'] as const) {
    mkdirSync(stores[backend]);
    importImage(backend, layout, stores[backend]);
  }
  run(['sync', '--file-system', disk]);
  const all = ROOTS.map((root) => ({ root, rounds: [] as ReturnType<typeof readOnce>[] }));
  for (let round = 0; round < rounds; round += 1)
    for (const one of all) {
      const store = join(one.root === 'overlay' ? stores.overlay : stores.erofs, 'root');
      one.rounds.push(readOnce(one.root, store, join(disk, 'mounted')));
    }
  run(['rm', '-r', stores.erofs, stores.overlay]);
  return all.map(({ root, rounds }) => {
    const column = (read: (typeof READS)[number]) => rounds.map(({ times }) => times[read]);
    const times = Object.fromEntries(READS.map((read) => [read, column(read)])) as Record<
      (typeof READS)[number],
      number[]
    >;
    for (const read of READS)
      console.error(
        `reads    ${input.padEnd(13)} ${root.padEnd(16)} ${read.padEnd(11)} ${median(times[read]).toFixed(3)} s`,
      );
    return { root, input, times, cachedBytes: rounds.map(({ cachedBytes }) => cachedBytes) };
  });
}

function readOnce(root: Root, store: string, target: string) {
  const mount = mounter(root, store, target);
  const find = shell(`find ${target} -printf '%s %u %m\\n' >/dev/null`);
  const read = shell(`find ${target} -type f -print0 | xargs -0 cat >/dev/null`);
  const start = ['chroot', target, 'sh', '-c', START];
  mkdirSync(target);
  const twice = (command: Command) => {
    dropCaches();
    run(mount.mount);
    const before = cachedBytes();
    const cold = seconds(command);
    const cached = cachedBytes() - before;
    const warm = seconds(command);
    run(mount.unmount);
    return { cold, warm, cached };
  };
  const [started, found, readAll] = [twice(start), twice(find), twice(read)];
  run(['rmdir', target]);
  return {
    times: {
      'start, cold': started.cold,
      'start, warm': started.warm,
      'find, cold': found.cold,
      'find, warm': found.warm,
      'read, cold': readAll.cold,
      'read, warm': readAll.warm,
    },
    cachedBytes: readAll.cached,
  };
}

function mounter(root: Root, store: string, target: string): { mount: Command; unmount: Command } {
  if (root === 'erofs, directio') {
    const mount = (command: string) => [...script('mount-directio'), command, store, target];
    return { mount: mount('mount'), unmount: mount('unmount') };
  }
  return {
    mount: [...OVERLAYER, 'mount', '--rw', '--root', store, 'image', target],
    unmount: [...OVERLAYER, 'unmount', '--root', store, target],
  };
}

function seconds(command: Command): number {
  const start = process.hrtime.bigint();
  run(command);
  return Number(process.hrtime.bigint() - start) / 1e9;
}

function dropCaches(): void {
  run(['sync']);
  writeFileSync('/proc/sys/vm/drop_caches', '3');
}

function cachedBytes(): number {
  return Number(/^Cached: +(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))![1]) * 1024;
}
