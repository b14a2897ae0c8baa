// The names are containerd's (core/snapshots, snapshotter.go).

/** The chainID of the layer that is wanted. See `snapshotter.ts`. */
export const SNAPSHOT_REF_LABEL = 'containerd.io/snapshot.ref';
/** Digest of the uncompressed layer. */
export const DIFF_ID_LABEL = 'containerd.io/snapshot/diff-id';
/** "containerID:hostID:size", several parted by commas; both together. */
export const UIDMAPPING_LABEL = 'containerd.io/snapshot/uidmapping';
export const GIDMAPPING_LABEL = 'containerd.io/snapshot/gidmapping';
/** The parent's name. */
export const PARENT_CHAIN_ID_LABEL = 'containerd.io/snapshot/parent-chain-id';
/** Digest of the uncompressed layer, established. */
export const UNCOMPRESSED_LABEL = 'containerd.io/uncompressed';

/** Ours, on an active snapshot: whoever fills it holds the lock of this name, and is dead if nobody holds it. */
export const UNPACKING_LABEL = 'overlayer/unpacking';

/** Ours, on an active snapshot without a parent: the blob that was unpacked there, and what it needs of lower layers. */
export const UNPACKED_LAYER_LABEL = 'overlayer/layer';
