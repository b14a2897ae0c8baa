import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { script } from '../paths.js';
import { run } from '../run.js';
import { mountDisk } from '../scratch.js';
import { median } from '../statistics.js';

export const OPERATIONS = ['prepare', 'commit', 'stat', 'remove', 'walk'] as const;

/** Milliseconds per operation of a store that holds so many snapshots already, a number for each round. */
export interface SnapshotTimes {
  readonly fileSystem: 'tmpfs' | 'ext4';
  readonly count: number;
  readonly times: Readonly<Record<(typeof OPERATIONS)[number], readonly number[]>>;
}

export const FEWEST = 10;
export const MOST = 100_000;

/** @param dir in memory */
export function measureSnapshots(dir: string, rounds: number): SnapshotTimes[] {
  const counts = [FEWEST, 1000, MOST];
  const disk = join(dir, 'disk');
  const memory = counts.map((count) => measureStore('tmpfs', dir, count, rounds));
  mountDisk(disk);
  const onDisk = counts.map((count) => measureStore('ext4', disk, count, rounds));
  run(['umount', disk]);
  return [...memory, ...onDisk];
}

function measureStore(
  fileSystem: SnapshotTimes['fileSystem'],
  dir: string,
  count: number,
  rounds: number,
): SnapshotTimes {
  const root = join(dir, 'store');
  const all = Array.from({ length: rounds }, () => {
    mkdirSync(root);
    const times = JSON.parse(run([...script('snapshot-times'), root, String(count)]));
    run(['rm', '-rf', root]);
    return times as Record<string, number>;
  });
  const times = Object.fromEntries(
    OPERATIONS.map((operation) => [operation, all.map((round) => round[operation]!)]),
  ) as Record<(typeof OPERATIONS)[number], number[]>;
  for (const operation of OPERATIONS)
    console.error(
      `snapshots ${fileSystem} ${String(count).padStart(6)} ${operation.padEnd(8)} ${median(times[operation]).toFixed(3)} ms`,
    );
  return { fileSystem, count, times };
}
