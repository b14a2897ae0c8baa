import { release } from 'node:os';
import { OverlayerError } from '../../base/errors.js';
import type { MetadataStore, Value } from '../../metadata/metadata-store.js';
import { probeErofs } from '../../mount/erofs-support.js';
import { type OverlaySupport, probeOverlay } from '../../mount/overlay-support.js';
import { readOwnProc } from '../../system/own-proc.js';
import type { SnapshotBackend } from './backend.js';
import { ErofsBackend } from './erofs-backend.js';
import { NativeBackend } from './native-backend.js';
import { OverlayBackend } from './overlay-backend.js';

export interface BackendChoice {
  readonly backend: SnapshotBackend;
  /** A sentence for people. */
  readonly reason: string;
  /** The kernel's support, for the backend `overlay`. */
  readonly support?: OverlaySupport | undefined;
}

/**
 * @param wanted by the caller
 * @param used by the existing snapshots
 * @throws OverlayerError `FailedPrecondition`: `overlay` is wanted or used, and overlayfs does not work there;
 *   the same for `erofs`; `InvalidArgument`: there is no such backend
 */
export async function chooseBackend(
  wanted: 'overlay' | 'native' | 'erofs' | SnapshotBackend | undefined,
  used: string | undefined,
  store: MetadataStore,
  snapshots: string,
): Promise<BackendChoice> {
  if (typeof wanted === 'object') return { backend: wanted, reason: 'it was given' };
  const name = wanted ?? used;
  if (name === 'native') return { backend: new NativeBackend(), reason: why(wanted) };
  if (name === 'erofs') return await chooseErofs(store, snapshots, why(wanted));
  if (name !== undefined && name !== 'overlay')
    throw new OverlayerError('InvalidArgument', `There is no backend "${name}"`, {
      hint: 'overlay, native and erofs are built in; pass any other as an object',
    });
  const support = await overlaySupport(store, snapshots);
  if (support.supported) {
    const reason = name === undefined ? 'overlayfs works there' : why(wanted);
    return { backend: new OverlayBackend(support), reason, support };
  }
  if (name === undefined) return { backend: new NativeBackend(), reason: String(support.reason) };
  throw new OverlayerError(
    'FailedPrecondition',
    `Cannot use overlayfs in "${snapshots}": ${support.reason}`,
    {
      hint: 'the backend "native" works anywhere, in a root of its own',
    },
  );
}

async function chooseErofs(store: MetadataStore, snapshots: string, reason: string): Promise<BackendChoice> {
  const erofs = await supportOf(store, 'erofs support', () => probeErofs(snapshots));
  const overlay = erofs.supported ? await overlaySupport(store, snapshots) : undefined;
  const refusal = erofs.reason ?? overlay?.reason;
  if (overlay?.supported) return { backend: new ErofsBackend(overlay, snapshots), reason, support: overlay };
  throw new OverlayerError('FailedPrecondition', `Cannot use EROFS files in "${snapshots}": ${refusal}`, {
    hint: 'the backend "overlay" keeps layers in directories, in a root of its own',
  });
}

function why(wanted: string | undefined): string {
  return wanted === undefined ? 'the snapshots there are of this backend' : 'it was asked for';
}

function overlaySupport(store: MetadataStore, snapshots: string): Promise<OverlaySupport> {
  return supportOf(store, 'overlay support', () => probeOverlay(snapshots));
}

/** A result of a probe. It is stored as JSON. */
interface Support {
  readonly supported: boolean;
  readonly reason: string | undefined;
}

interface Remembered<S extends Support> {
  readonly circumstances: string;
  readonly support: S;
}

/**
 * The result of a probe, which takes 10 to 50 ms, is stored. The kernel is probed again after an update or with other
 * privileges, and each time if something did not work.
 *
 * @param key of the stored result
 */
async function supportOf<S extends Support>(
  store: MetadataStore,
  key: string,
  probe: () => Promise<S>,
): Promise<S> {
  const now = circumstances();
  const known = store.read((transaction) => transaction.get([key])) as unknown as Remembered<S> | undefined;
  const remembered = known && { ...known.support, reason: undefined };
  if (known?.circumstances === now) return remembered!;
  const found = await probeOr(remembered, probe);
  const { reason: _, ...support } = found;
  // The caller does not wait for the disk. A result that could not be stored is probed again next time.
  if (found.supported)
    store
      .write((transaction) => transaction.put([key], { circumstances: now, support } as unknown as Value))
      .catch(() => {});
  return found;
}

/** A read-only file system can't be probed. Its snapshots can be mounted read-only, and the stored result says how. */
async function probeOr<S>(remembered: S | undefined, probe: () => Promise<S>): Promise<S> {
  try {
    return await probe();
  } catch (error) {
    if (remembered === undefined || !OverlayerError.is(error) || error.errno !== 'EROFS') throw error;
    return remembered;
  }
}

/** Everything that the result depends on, except the file system, which is always the root's. */
function circumstances(): string {
  const rights = readOwnProc('status')?.match(/^(?:CapEff|Seccomp):.*$/gm) ?? [];
  return [release(), process.geteuid!(), readOwnProc('uid_map'), ...rights].join(' ');
}
