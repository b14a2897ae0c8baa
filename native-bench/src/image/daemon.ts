import { join } from 'node:path';
import { script } from '../paths.js';
import { run } from '../run.js';
import { besideDaemon, NEWEST_PATH } from './image-contenders.js';

export const CALLS = ['Prepare', 'Stat', 'Commit', 'Remove'] as const;

/** Milliseconds of each call of a snapshotter, over a socket. */
export interface CallTimes {
  readonly snapshotter: string;
  readonly times: Readonly<Record<(typeof CALLS)[number], readonly number[]>>;
}

/** Sockets of the daemons, as words of shell. */
const OVERLAYER_ADDRESS = '$OVERLAYER_ADDRESS';
const CONTAINERD_ADDRESS = '$CONTAINERD_ADDRESS';

/** Calls of containerd's own snapshotter and of overlayer's. */
export function measureCalls(disk: string): CallTimes[] {
  return [
    callTimes(disk, { name: 'overlayer', snapshotter: 'overlayer', address: OVERLAYER_ADDRESS }),
    callTimes(disk, { name: 'overlayfs', snapshotter: 'overlayfs', address: CONTAINERD_ADDRESS }),
  ];
}

/** Calls of overlayer on one of its backends. */
export function measureBackendCalls(disk: string, backend: string): CallTimes {
  return callTimes(disk, { name: backend, snapshotter: 'overlayer', address: OVERLAYER_ADDRESS, backend });
}

interface CallTarget {
  /** In the results. */
  readonly name: string;
  readonly snapshotter: string;
  readonly address: string;
  /** Of overlayer's snapshots. @default the one it chooses */
  readonly backend?: string;
}

function callTimes(disk: string, { name, snapshotter, address, backend = '' }: CallTarget): CallTimes {
  const dest = join(disk, 'dest');
  run(['mkdir', dest]);
  const client = `${script('snapshot-latency').join(' ')} ${address} ${snapshotter}`;
  const env = { PATH: NEWEST_PATH, OVERLAYER_BACKEND: backend };
  const times = JSON.parse(run(besideDaemon(dest, 'walking', client), { env }));
  run(['rm', '-r', dest]);
  return { snapshotter: name, times };
}
