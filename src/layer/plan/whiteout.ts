import { OverlayerError } from '../../base/errors.js';
import { displayPath } from '../../base/path-bytes.js';

/** Prefix of names that are about lower layers. */
export const WHITEOUT_PREFIX = '.wh.';
const OPAQUE = '.wh..wh..opq';
const AUFS_PREFIX = '.wh..wh.';

export const AUFS_METADATA = { kind: 'aufs-metadata' } as const;

/** Whether a path leads through a directory of AUFS's metadata, such as `.wh..wh.plnk`. */
export function isAufsMetadata(directory: string): boolean {
  return directory.startsWith(AUFS_PREFIX) || directory.includes(`/${AUFS_PREFIX}`);
}

type WhiteoutName =
  | { readonly kind: 'opaque' }
  | typeof AUFS_METADATA
  /** The name that is removed. */
  | { readonly kind: 'whiteout'; readonly name: string };

/**
 * Reads a whiteout's base name (OCI image spec, layer.md, "Whiteouts").
 *
 * @returns undefined for any other name
 * @throws OverlayerError `InvalidArgument` when it names nothing, the directory itself or its parent
 */
export function parseWhiteout(
  name: string,
  entry: { readonly path: string; readonly offset: number },
): WhiteoutName | undefined {
  if (!name.startsWith(WHITEOUT_PREFIX)) return undefined;
  if (name === OPAQUE) return { kind: 'opaque' };
  if (name.startsWith(AUFS_PREFIX)) return AUFS_METADATA;
  const target = name.slice(WHITEOUT_PREFIX.length);
  if (target === '' || target === '.' || target === '..')
    throw new OverlayerError(
      'InvalidArgument',
      `Cannot unpack entry "${displayPath(entry.path)}": the whiteout names no file`,
      {
        entry: entry.path,
        offset: entry.offset,
      },
    );
  return { kind: 'whiteout', name: target };
}

/** The name of the entry that removes `path` from the lower layers. */
export function whiteoutMarker(path: string): string {
  const name = path.lastIndexOf('/') + 1;
  return `${path.slice(0, name)}${WHITEOUT_PREFIX}${path.slice(name)}`;
}

/** The name of the entry that removes all lower contents of a directory; '' is the root. */
export function opaqueMarker(directory: string): string {
  return directory === '' ? OPAQUE : `${directory}/${OPAQUE}`;
}
