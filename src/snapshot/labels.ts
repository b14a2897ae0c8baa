// The names are containerd's (core/snapshots, snapshotter.go).

/** The name of the snapshot that will be committed: the layer's chainID. See `snapshotter.ts`. */
export const SNAPSHOT_REF_LABEL = 'containerd.io/snapshot.ref';
/** The layer's diffID. */
export const DIFF_ID_LABEL = 'containerd.io/snapshot/diff-id';
/** "containerID:hostID:size", several separated by commas. Both labels are needed. */
export const UIDMAPPING_LABEL = 'containerd.io/snapshot/uidmapping';
export const GIDMAPPING_LABEL = 'containerd.io/snapshot/gidmapping';
/** The name of a parent that the commit will bring. */
export const PARENT_CHAIN_ID_LABEL = 'containerd.io/snapshot/parent-chain-id';
/** The diffID, computed while the layer was unpacked. */
export const UNCOMPRESSED_LABEL = 'containerd.io/uncompressed';

/** Labels an active snapshot of `unpackSnapshot`. Its process holds the lock of this name: a free lock means that it died. */
export const UNPACKING_LABEL = 'overlayer/unpacking';
/** Labels a view of `openTemporaryView`. Its process holds the lock of the view's key. */
export const TEMPORARY_VIEW_LABEL = 'overlayer/temporary-view';

/** The daemon's label of an active snapshot without a parent: the unpacked layer, and its need of lower layers (JSON). */
export const UNPACKED_LAYER_LABEL = 'overlayer/layer';
