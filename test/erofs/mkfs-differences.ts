/** Where mkfs.erofs 1.9.4 makes another tree of a layer than overlayer, and why. */
interface Difference {
  readonly reason: string;
  /** @default any layer */
  readonly layers?: RegExp;
  readonly lines: RegExp;
}

/** Layers that mkfs.erofs refuses. */
const REFUSED: readonly RegExp[] = [
  // It follows no symlinks in paths.
  /through a symlink|symlinks? .*as (a parent|parents)|out of the root|parents that no entry|^features$/,
  // It reads no headers of v7, and no sparse maps.
  /-v7\.tar$|sparse files, (old GNU|PAX 0.1|PAX 1.0)|gnu-sparse/,
  // It takes an opaque mark of the root for a path below a file.
  /an opaque root/,
];

const DIFFERENCES: readonly Difference[] = [
  {
    reason:
      'A directory that the layer does not list has the time of its parent in mkfs.erofs. Ours is the epoch.',
    lines: /: mtime should be 0, is /,
  },
  {
    reason:
      'Whiteouts have the attributes of the entry in mkfs.erofs. Ours have none, because no mount shows them.',
    layers: /whiteout/,
    lines: /: device should be 0:0, is 0:32$/,
  },
  {
    reason: 'Linux gives a symlink the mode 0777, whatever the archive has.',
    lines: /: mode should be 0777, is /,
  },
  {
    reason: 'Overlay marks of an image are obeyed after mkfs.erofs. Ours are stored escaped.',
    lines: /: xattrs should be .*"trusted\.overlay\.overlay\./,
  },
  {
    reason: 'Linux gives symlinks and devices no user attributes and no access control lists.',
    lines: /: xattrs should be \[\], is \[\["[^"]*","\(unreadable\)"\]\]$/,
  },
  {
    reason:
      "Attributes of the host's security module are not stored. The kernel sets the mode in an access control list.",
    layers: /attributes of each kind|access control lists/,
    lines: /^[fd]: xattrs should be /,
  },
  {
    reason:
      'A directory in place of another file hides what lower layers have there. mkfs.erofs makes no opaque mark.',
    layers: /each type in turn|over a symlink to a directory/,
    lines: /: xattrs should be \[\["trusted\.overlay\.opaque","y"\]/,
  },
  {
    reason:
      'The later entry of a directory replaces all its attributes. mkfs.erofs keeps those of the first.',
    layers: /a directory twice/,
    lines: /^d: xattrs should be \[\], is \[\["user\.a","b"\]\]$/,
  },
  {
    reason: 'mkfs.erofs makes the directories that a path with ".." names.',
    layers: /a path with "\.\."/,
    lines: /^a: should not exist, is a directory$/,
  },
  {
    reason:
      'A whiteout deletes files of lower layers only. In mkfs.erofs it deletes an earlier file of its layer as well.',
    layers: /whiteouts before and after/,
    lines: /^(b|d|d\/f): /,
  },
  {
    reason: 'mkfs.erofs takes files of aufs for whiteouts and directories.',
    layers: /aufs metadata/,
    lines: /^\.: xattrs |^\.wh\./,
  },
  {
    reason: 'A device 0:0 is no device, and no whiteout of an image.',
    layers: /a device 0:0/,
    lines: /^(b|d|d\/c): /,
  },
  {
    reason: 'mkfs.erofs reads no sparse maps.',
    layers: /sparse/,
    lines: /^GNUSparseFile|: (size|sha256) should be |^(hole|tail|islands): is missing/,
  },
];

export function isRefusedByMkfs(layer: string): boolean {
  return REFUSED.some((pattern) => pattern.test(layer));
}

/** @param line of `diffTrees`, with the tree of mkfs.erofs as the actual one */
export function isKnownDifference(layer: string, line: string): boolean {
  return DIFFERENCES.some(({ layers = /./, lines }) => layers.test(layer) && lines.test(line));
}
