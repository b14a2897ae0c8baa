import { join } from 'node:path';
import type { Contender } from './measure.js';
import { measureInTurn } from './measure.js';
import { BENCH_DIR, script } from './paths.js';
import { installContainerd, NEWER_CONTAINERD } from './prerequisites.js';
import type { Results } from './results.js';
import { run } from './run.js';

export const CALLS = ['Prepare', 'Stat', 'Commit', 'Remove'] as const;

/** Milliseconds of each call of a snapshotter, over a socket. */
export interface CallTimes {
  readonly snapshotter: string;
  readonly times: Readonly<Record<(typeof CALLS)[number], readonly number[]>>;
}

/** The socket of overlayer beside `DAEMON`, as a word of shell. */
export const OVERLAYER_ADDRESS = '$OVERLAYER_ADDRESS';
const DAEMON = join(BENCH_DIR, 'scripts', 'daemon.sh');

/** An image into one and the same containerd: by its own snapshotter and differ, and by overlayer's. */
export function measureDaemon(results: Results, archive: string, disk: string, rounds: number): void {
  installContainerd();
  const imports = [
    importer('overlayer in containerd', 'overlayer-diff', 'overlayer', archive),
    importer('containerd alone', 'walking', 'overlayfs', archive),
  ];
  results.measurements.push(
    ...measureInTurn(imports, { group: 'daemon', input: 'image', dir: disk, rounds }),
  );
  results.calls.push(
    callTimes(disk, { name: 'overlayer', snapshotter: 'overlayer', address: OVERLAYER_ADDRESS }),
    callTimes(disk, { name: 'overlayfs', snapshotter: 'overlayfs', address: '$CONTAINERD_ADDRESS' }),
  );
}

function importer(name: string, differ: string, snapshotter: string, archive: string): Contender {
  const load = `ctr images import --base-name image --snapshotter ${snapshotter} ${archive} >/dev/null`;
  return { name, env, command: (dest) => beside(dest, differ, `${load} && sync -f ${dest}`) };
}

interface CallTarget {
  /** In the results. */
  readonly name: string;
  readonly snapshotter: string;
  /** The socket, as a word of shell. */
  readonly address: string;
  /** Of overlayer's snapshots. @default the one it chooses */
  readonly backend?: string;
}

export function callTimes(disk: string, { name, snapshotter, address, backend = '' }: CallTarget): CallTimes {
  const dest = join(disk, 'dest');
  run(['mkdir', dest]);
  const client = `${script('snapshot-latency').join(' ')} ${address} ${snapshotter}`;
  const times = JSON.parse(
    run(beside(dest, 'walking', client), { env: { ...env, OVERLAYER_BACKEND: backend } }),
  );
  run(['rm', '-r', dest]);
  return { snapshotter: name, times };
}

const env = { PATH: `${NEWER_CONTAINERD}:${process.env['PATH']}` };

function beside(dest: string, differ: string, command: string): readonly string[] {
  return ['sh', DAEMON, dest, differ, 'sh', '-c', command];
}
