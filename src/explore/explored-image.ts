import type { LayerResult } from '../layer/options.js';
import type { AnomalySummary } from '../layer/plan/anomaly.js';
import type { DiffID, Digest } from '../oci/digest.js';
import type { Platform } from '../oci/platform.js';
import type { EntryType } from '../tar/types.js';

/** The type of a file in the merged tree. A hard link is a further name of a file. */
export type ExploredType = Exclude<EntryType, 'hardlink'>;

/** An image whose layers were all read. */
export interface ExploredImage {
  /** Name of the image in its source. Undefined where it has none, and for a single layer. */
  readonly name: string | undefined;
  /** Digest of the manifest. Undefined for a single layer. */
  readonly digest: Digest | undefined;
  readonly platform: Platform | undefined;
  /** A time in the format of RFC 3339. */
  readonly createdAt: string | undefined;
  /** The lowest first. */
  readonly layers: readonly ExploredLayer[];
  /** Entries of the merged tree. The root is not counted. */
  readonly entries: number;
  /** Bytes of the files of the merged tree. A file with several names counts once. */
  readonly size: number;
  /** Bytes of the files of all layers. */
  readonly layerBytes: number;
  /** Bytes of files that are in a layer, and in no file of the merged tree: `layerBytes - size`. */
  readonly wastedBytes: number;
  /**
   * How much of the layers' bytes a smaller image could not leave out, from 0 to 1, by dive's definition: the smallest
   * size that each path has in any layer, summed up, and divided by the sum of all its sizes. A path that a layer removes
   * counts once more with the size that it had.
   */
  readonly efficiency: number;
  /** Paths of files of the merged tree with the bits setuid or setgid. */
  readonly setuid: readonly string[];
  /**
   * The merged tree, or a part of it: names of a directory in the order of their characters, each directory before what it holds.
   *
   * @param directory path of the part. @default the root, which is not listed itself
   */
  files(directory?: string): Generator<ExploredFile, void, void>;
  /** Bytes that a smaller image would not have, the largest first. */
  waste(): readonly Waste[];
  /** The directories of the merged tree, the root (path '') included, in the order of `files`. */
  directories(): readonly ExploredDirectory[];
  /** What a layer changed, in the order of paths. @param layer index of the layer, the lowest has 0 */
  changes(layer: number): readonly PathChange[];
  /** What layers did to a path, the lowest first. Empty for a path that no layer has. */
  history(path: string): readonly FileVersion[];
}

/** A layer that was read: its sizes, and what it did to the tree. */
export interface ExploredLayer extends Pick<LayerResult, 'size' | 'compressedSize' | 'entries'> {
  /** Digest of the blob. */
  readonly digest: Digest;
  /** The diffID that the image states. Undefined for a single compressed layer. */
  readonly diffID: DiffID | undefined;
  /** Bytes of the layer's files. */
  readonly fileBytes: number;
  /** Bytes of the layer's files that are in no file of the merged tree. */
  readonly hiddenBytes: number;
  /** Paths that the layer added, changed and removed. */
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  /** The step that made it (`created_by` of the config's history). Undefined where the history has none. */
  readonly command: string | undefined;
  readonly anomalies: readonly AnomalySummary[];
}

/** An entry of the merged tree. */
export interface ExploredFile {
  /** Relative to the root, without a slash at its beginning. */
  readonly path: string;
  readonly type: ExploredType;
  /** Permission bits: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a file. 0 for other types, and for a further name of a file. */
  readonly size: number;
  /** Seconds, negative before 1970. */
  readonly mtimeSec: number;
  /** Target of a symlink; '' for other types. */
  readonly linkPath: string;
  /** The name that counts, for a further name of a file. */
  readonly linkTo: string | undefined;
  /** Index of the layer that it is from; the lowest layer has 0. */
  readonly layer: number;
}

/** A directory with all that is below it. */
export interface ExploredDirectory {
  readonly path: string;
  /** Bytes of the files below it. A file with several names counts where its entry is. */
  readonly bytes: number;
  /** Entries below it. */
  readonly entries: number;
}

/** What a layer did to a path, or how a path differs between two images. */
export interface PathChange {
  readonly kind: 'added' | 'changed' | 'removed';
  readonly path: string;
  /** The type that the path has now, or had before it was removed. */
  readonly type: ExploredType;
  /** Bytes of the file before and after. 0 for other types, and for a further name of a file. */
  readonly sizeBefore: number;
  readonly sizeAfter: number;
  /** Type and content stayed as they were: only permissions, owner, time or extended attributes differ. */
  readonly metadataOnly: boolean;
}

/** What one layer did to a path. */
export interface FileVersion extends Omit<PathChange, 'path'> {
  readonly layer: number;
}

/** Bytes that a smaller image would not have. */
export interface Waste {
  /**
   * - `replaced`: files that a later layer, or a later entry, wrote again
   * - `removed`: files that a later layer removed, and that are in the image all the same
   * - `duplicate`: files of the merged tree with the same content
   * - `package-cache`: files of the merged tree that a package manager fetched and does not need any more
   */
  readonly kind: 'replaced' | 'removed' | 'duplicate' | 'package-cache';
  /** The file, or the directory that was removed or is a cache. For duplicates, the one in the lowest layer. */
  readonly path: string;
  /** Other files with the same content, for `duplicate`. */
  readonly copies: readonly string[];
  readonly files: number;
  readonly bytes: number;
  /** Indices of the layers that hold the bytes. */
  readonly layers: readonly number[];
  /** Index of the layer that replaced or removed them. Undefined for other kinds. */
  readonly by: number | undefined;
}
