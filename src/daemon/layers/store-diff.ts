import { dirname } from 'node:path';
import { OverlayerError } from '../../base/errors.js';
import type { Mount } from '../../mount/mount.js';
import { shownLayers } from '../../mount/shown-layers.js';
import { layerCompression, MEDIA_TYPE } from '../../oci/media-types.js';
import { diffMounts } from '../../snapshot/diff-snapshot.js';
import { UNCOMPRESSED_LABEL } from '../../snapshot/labels.js';
import { readRecordFile } from '../../snapshot/store/snapshot-files.js';
import type { ContainerdContent } from '../containerd/containerd-content.js';
import { orUndefined } from '../convert.js';
import type { CallContext } from '../grpc/calls.js';
import type { DescriptorMessage } from '../messages.js';
import type { DiffRequest } from './diff-messages.js';

interface DiffOfMounts extends Omit<DiffRequest, 'left' | 'right'> {
  readonly left: readonly Mount[];
  readonly right: readonly Mount[];
}

/**
 * Makes a layer, and writes it into the content store of the calling containerd with a label for its diffID.
 *
 * @throws OverlayerError as `diffMounts`; `Unimplemented`: the media type is not a layer's, or the namespace is unknown
 */
export async function storeDiff(
  request: DiffOfMounts,
  context: CallContext,
  containerd: ContainerdContent,
): Promise<DescriptorMessage> {
  const { left, right, labels, sourceDateEpoch } = request;
  const mediaType = request.mediaType === '' ? MEDIA_TYPE.layerGzip : request.mediaType;
  const compression = layerCompression(mediaType);
  const namespace = context.namespace ?? (await namespaceOf(right));
  const diff = diffMounts(left, right, {
    // Docker's plain media type does not say the compression. A caller that asks for it wants none.
    compression: compression === 'unknown' ? 'none' : compression,
    sourceDateEpoch: sourceDateEpoch === null ? undefined : new Date(sourceDateEpoch.seconds * 1000),
    signal: context.signal,
  });
  const ref = orUndefined(request.ref);
  const { digest, size } = await containerd.write(diff, { ...context, namespace, ref }, async () => {
    const { descriptor, diffID } = await diff;
    return { ...descriptor, labels: { ...labels, [UNCOMPRESSED_LABEL]: diffID } };
  });
  return { mediaType, digest, size, annotations: {} };
}

/**
 * containerd 1.7 does not send the namespace to a differ. The record beside the snapshot's tree has containerd's name of the
 * snapshot, which begins with the namespace (core/metadata, createKey: `namespace/number/key`).
 */
async function namespaceOf(mounts: readonly Mount[]): Promise<string> {
  const [uppermost] = shownLayers(mounts) ?? [];
  const record = uppermost === undefined ? undefined : await readRecordFile(dirname(uppermost.path));
  const name = typeof record === 'object' ? record.name : '';
  const [, namespace] = /^([^/]+)\/\d+\//.exec(name) ?? [];
  if (namespace !== undefined) return namespace;
  throw new OverlayerError(
    'Unimplemented',
    'The namespace for the layer is unknown: the call and the snapshot do not name it',
  );
}
