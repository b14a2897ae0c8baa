import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ifFound } from '../../src/base/if-found.js';
import { ProgressTask } from '../../src/base/task.js';
import type {
  ListSnapshotsResponse,
  MountsResponse,
  StatResponse,
} from '../../src/daemon/snapshots/snapshots-messages.js';
import type { Mount, SnapshotInfo, Snapshotter } from '../../src/index.js';
import { type Daemon, OverlayerError, serve } from '../../src/index.js';
import { KEPT_MOUNTS } from '../../src/mount/kept-mounts.js';
import type { BackendName } from '../helpers/backends.js';
import { connect } from './grpc-client.js';

const NAME = 'overlayer';

/** Daemons by their roots: whoever opens one that is open gets another connection. */
const daemons = new Map<string, Promise<Daemon>>();
let users = 0;

/** The snapshots of a root, by way of a daemon and a connection to it. */
export async function open(root: string, backend: BackendName): Promise<Snapshotter> {
  let daemon = daemons.get(root);
  if (daemon === undefined) {
    daemon = serve({ root, backend, address: `${root}.sock`, containerd: '/nonexistent' });
    daemons.set(root, daemon);
  }
  const { address } = await daemon;
  users++;
  let closed = false;
  return grpcSnapshotter(address, backend, async () => {
    if (closed) return;
    closed = true;
    if (--users > 0) return;
    for (const [root, each] of daemons) {
      await (await each).close();
      unmountKept(root);
    }
    daemons.clear();
  });
}

/** A daemon leaves the layers mounted for containers that run on. */
function unmountKept(root: string): void {
  const kept = join(root, KEPT_MOUNTS);
  if (!existsSync(kept)) return;
  const places = readdirSync(kept).map((name) => join(kept, name));
  if (places.length > 0) execFileSync('umount', places);
}

function grpcSnapshotter(address: string, backend: BackendName, onClose: () => Promise<void>): Snapshotter {
  const client = connect('snapshots', address);
  const ask = <Answer = object>(method: string, request: object) =>
    client.ask<Answer>(method, { snapshotter: NAME, ...request });
  const mounts = async (method: string, request: object) =>
    (await ask<MountsResponse>(method, request)).mounts.map(fromMessage);
  const close = async () => {
    client.close();
    await onClose();
  };
  return {
    backend: { name: backend, reason: 'asked for', capabilities: backend === 'native' ? [] : ['rebase'] },
    prepare: (key, options) => mounts('prepare', { key, ...options }),
    view: (key, options) => mounts('view', { key, ...options }),
    mounts: (key) => mounts('mounts', { key }),
    async commit(key, { name, parent, labels }) {
      await ask('commit', { key, name, parent, labels });
      return await this.stat(name);
    },
    find(key) {
      return ifFound(this.stat(key));
    },
    stat: async (key) => info((await ask<StatResponse>('stat', { key })).info),
    update: async (name, { labels }, { fieldpaths: paths = [] } = {}) =>
      info((await ask<StatResponse>('update', { info: { name, labels }, updateMask: { paths } })).info),
    async usage(key) {
      const { size, inodes } = await ask<{ size: number; inodes: number }>('usage', { key });
      return { bytes: size, inodes };
    },
    async *walk({ filters = [] } = {}) {
      const request = { snapshotter: NAME, filters };
      for (const { info: infos } of await client.list<ListSnapshotsResponse>('list', request))
        yield* infos.map(info);
    },
    remove: async (key) => void (await ask('remove', { key })),
    async cleanup() {
      await ask('cleanup', {});
      return { removed: [], failed: [] };
    },
    withLock: () => Promise.reject(new OverlayerError('Unimplemented', 'Nothing of that in the protocol')),
    check: () =>
      new ProgressTask(async () => {
        throw new OverlayerError('Unimplemented', 'Nothing of that in the protocol');
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function fromMessage({ target, ...mount }: MountsResponse['mounts'][number]): Mount {
  return target === '' ? mount : { ...mount, target };
}

function info({ name, parent, kind, labels, createdAt, updatedAt }: StatResponse['info']): SnapshotInfo {
  const date = ({ seconds, nanos }: StatResponse['info']['createdAt']) =>
    new Date(seconds * 1000 + nanos / 1e6);
  return {
    ...{ name, labels, kind: kind.toLowerCase() as SnapshotInfo['kind'] },
    parent: parent === '' ? undefined : parent,
    createdAt: date(createdAt),
    updatedAt: date(updatedAt),
  };
}
