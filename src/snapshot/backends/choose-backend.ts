import { OverlayerError } from '../../base/errors.js';
import type { MetadataStore } from '../../metadata/metadata-store.js';
import type { OverlaySupport } from '../../mount/overlay-support.js';
import type { SnapshotBackend } from './backend.js';
import { NativeBackend } from './native-backend.js';
import { OverlayBackend } from './overlay-backend.js';
import { overlaySupport } from './remembered-support.js';

export interface BackendChoice {
  readonly backend: SnapshotBackend;
  /** A sentence for people. */
  readonly reason: string;
  /** Of the backend `overlay`. */
  readonly support?: OverlaySupport | undefined;
}

/**
 * @param wanted by the caller; @param used by the snapshots that are there
 * @throws OverlayerError `FailedPrecondition`: overlayfs it has to be, and it does not work there;
 *   `InvalidArgument`: no such backend
 */
export async function chooseBackend(
  wanted: 'overlay' | 'native' | SnapshotBackend | undefined,
  used: string | undefined,
  store: MetadataStore,
  snapshots: string,
): Promise<BackendChoice> {
  if (typeof wanted === 'object') return { backend: wanted, reason: 'it was given' };
  const name = wanted ?? used;
  if (name === 'native') return { backend: new NativeBackend(), reason: why(wanted) };
  if (name !== undefined && name !== 'overlay')
    throw new OverlayerError('InvalidArgument', `There is no backend "${name}"`, {
      hint: 'overlay and native are built in; pass any other as an object',
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

function why(wanted: string | undefined): string {
  return wanted === undefined ? 'the snapshots there are of this backend' : 'it was asked for';
}
