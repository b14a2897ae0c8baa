import type { Operation } from '../../layer/plan/operation.js';
import type { Digest } from '../../oci/digest.js';
import type { EntryType } from '../../tar/types.js';

/** An entry of an image's merged tree. */
export interface ImageFile {
  /**
   * Relative to the root, without a slash at its beginning. It leads through no symlink. `displayPath` makes it safe for a
   * terminal.
   */
  readonly path: string;
  /** A `hardlink` is a further name of the file `linkPath`, which the loop has got. */
  readonly type: EntryType;
  /** Permission bits: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a file, with its holes. 0 for other types. */
  readonly size: number;
  /** Seconds, negative before 1970. */
  readonly mtimeSec: number;
  /** Target of a symlink as in the layer, or of a hard link, relative to the root; '' for other types. */
  readonly linkPath: string;
  /** Index of the layer whose entry it is; the lowest layer has 0. */
  readonly layer: number;
  /** Digest of the blob of its layer. Undefined for a single layer. */
  readonly layerDigest: Digest | undefined;
  /**
   * It replaces what the loop has got with this path; if it is no directory, also what is below the path. Only a layer that
   * lists a path twice has such entries.
   */
  readonly again: boolean;
  /**
   * The bytes of a file, with zeros for holes. Other types have none. Read them before the next file is taken, or not at all.
   * Each chunk is a copy of at most 128 KiB. The layer is verified when the loop has come to its end.
   *
   * @throws OverlayerError `FailedPrecondition`: the loop has taken the next file, or the bytes were read before
   */
  body(): AsyncGenerator<Uint8Array, void, void>;
}

/** An entry without its bytes. */
export type FileFacts = Omit<ImageFile, 'body'>;

/** An operation that puts something into the tree. */
type ListedOperation = Exclude<Operation, { readonly op: 'whiteout' | 'opaque' }>;

export function factsOf(
  operation: ListedOperation,
  place: Pick<ImageFile, 'layer' | 'layerDigest' | 'again'>,
): FileFacts {
  const { op, path, entry } = operation;
  const { mode, uid, gid, size, mtimeSec } = entry;
  const linkPath = op === 'hardlink' ? operation.linkPath : op === 'symlink' ? entry.linkPath : '';
  return { path, type: op, mode, uid, gid, size, mtimeSec, linkPath, ...place };
}

export function isListed(operation: Operation): operation is ListedOperation {
  return operation.op !== 'whiteout' && operation.op !== 'opaque';
}
