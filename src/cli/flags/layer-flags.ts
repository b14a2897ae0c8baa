import {
  collect,
  compressionFlag,
  epochFlag,
  flag,
  grouped,
  parseCount,
  parseLabels,
  parseSize,
  required,
  type ValuesOf,
  withDefault,
} from './declare.js';
import { FETCH_FLAGS, PLATFORM } from './fetch-flags.js';
import { JSON_OUTPUT, progressFlag, STORE_FLAGS } from './store-flags.js';

const PROGRESS = progressFlag('a bar');

/** The limits of the library, by their names. */
export const LIMIT_FLAGS = grouped('Limits (a layer that exceeds one is refused):', [
  flag('--max-bytes <SIZE>', 'uncompressed bytes (64G)', parseSize),
  flag('--max-ratio <N>', 'uncompressed bytes for each compressed byte (1000)', parseCount),
  flag('--max-window <SIZE>', 'memory to decompress zstd (256M)', parseSize),
  flag('--max-entries <N>', 'entries (2000000)', parseCount),
  flag('--max-path-length <SIZE>', "bytes of an entry's name or link target (4096)", parseSize),
  flag('--max-path-depth <N>', "components of an entry's name (256)", parseCount),
  flag('--max-header-bytes <SIZE>', 'bytes of an extension header (1M)', parseSize),
  flag('--max-xattr-bytes <SIZE>', "bytes of an entry's extended attributes (256K)", parseSize),
  flag('--max-work <N>', 'system calls for each entry, on average (64)', parseCount),
  flag('--max-memory <SIZE>', 'memory to remember the entries (512M)', parseSize),
]);

/** An input with one of these options is a layer, even if it looks like an archive of images. */
const DIGEST_FLAGS = [
  flag('--digest <DIGEST>', 'fail unless the bytes of LAYER have this digest'),
  flag('--diff-id <DIGEST>', 'fail unless the uncompressed bytes have this digest'),
] as const;

const READ_FLAGS = [
  ...DIGEST_FLAGS,
  flag('--allow-empty', 'accept empty input as an empty layer'),
  flag('--gzip <DECODER>', 'use this gzip decoder (default: the fastest one)', ['isal', 'zlib']),
] as const;
export type ReadFlags = ValuesOf<readonly [...typeof READ_FLAGS, ...typeof LIMIT_FLAGS]>;

const NO_DIGESTS = flag('--no-digests', 'do not compute digests');

const TARGET = withDefault(
  flag('--target <FORM>', 'a merged tree, an upperdir for overlayfs, or an EROFS file for each layer', [
    'directory',
    'overlay',
    'erofs',
  ]),
  'directory',
);

const TREE_FLAGS = [
  flag('--lower <DIR>', 'a lower layer (directory, or .erofs file), nearest first; may be repeated', collect),
  flag('--merge', 'write into DEST even if it is not empty'),
  flag('--dry-run', 'print operations and anomalies; write nothing'),
] as const;

export const IMAGE_FLAGS = grouped('Images:', [
  PLATFORM,
  flag('--image <NAME>', 'the name or digest of the image, where there are several'),
  ...FETCH_FLAGS,
]);
export type OpenImageFlags = ValuesOf<typeof IMAGE_FLAGS>;

const longNames = (flags: readonly { readonly long?: string | undefined }[]): readonly string[] =>
  flags.flatMap(({ long }) => long ?? []);
/** Options without a meaning for the other kind of input: to ignore `--digest` or `--dry-run` would do harm. */
export const ONLY_FOR = {
  layer: longNames([...TREE_FLAGS, ...READ_FLAGS, NO_DIGESTS]),
  image: longNames(IMAGE_FLAGS),
} as const;
export const LAYER_DIGESTS = longNames(DIGEST_FLAGS);

export const INSPECT_FLAGS = [
  JSON_OUTPUT,
  NO_DIGESTS,
  ...READ_FLAGS,
  ...LIMIT_FLAGS,
  ...IMAGE_FLAGS,
] as const;
export type InspectFlags = ValuesOf<typeof INSPECT_FLAGS>;

export const UNPACK_FLAGS = [
  TARGET,
  ...TREE_FLAGS,
  flag('--rootless', 'work without privileges (the default for all users but root)'),
  flag('--no-rootless', 'use privileges (the default for root)'),
  flag('--no-sync', 'do not flush the file system before DEST appears'),
  PROGRESS,
  ...INSPECT_FLAGS,
] as const;
export type UnpackFlags = ValuesOf<typeof UNPACK_FLAGS>;

/** Options of the commands that make a layer. */
const OUTPUT_FLAGS = [
  withDefault(flag('-o, --output <FILE>', 'the layer to write, or - for standard output'), '-'),
  compressionFlag('by the name of FILE: .tar, .tar.gz, .tar.zst; else gzip'),
  epochFlag(),
  PROGRESS,
] as const;

export const DIFF_FLAGS = [JSON_OUTPUT, ...OUTPUT_FLAGS] as const;
export type DiffFlags = ValuesOf<typeof DIFF_FLAGS>;

export const DIFF_SNAPSHOT_FLAGS = [...STORE_FLAGS, ...OUTPUT_FLAGS] as const;
export type DiffSnapshotFlags = ValuesOf<typeof DIFF_SNAPSHOT_FLAGS>;

/** Options of `layer tar`. */
export const TAR_FLAGS = [
  JSON_OUTPUT,
  withDefault(flag('-o, --output <FILE>', 'the tar to write, or - for standard output'), '-'),
] as const;
export type TarFlags = ValuesOf<typeof TAR_FLAGS>;

export const VERIFY_LAYER_FLAGS = [JSON_OUTPUT] as const;
export type VerifyLayerFlags = ValuesOf<typeof VERIFY_LAYER_FLAGS>;

/** Options of `snapshots unpack`. */
export const UNPACK_SNAPSHOT_FLAGS = [
  ...STORE_FLAGS,
  required(flag('--key <KEY>', 'the name of the new snapshot; for a layer of an image its chainID')),
  flag('--parent <KEY>', 'the snapshot of the layer below'),
  flag('--label <LABEL=VALUE>', 'set a label; may be repeated', parseLabels),
  PROGRESS,
  ...READ_FLAGS,
  ...LIMIT_FLAGS,
] as const;
export type UnpackSnapshotFlags = ValuesOf<typeof UNPACK_SNAPSHOT_FLAGS>;
