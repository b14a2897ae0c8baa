import {
  collect,
  compressionFlag,
  flag,
  parseCount,
  parseLabels,
  parseSize,
  required,
  type ValuesOf,
} from './declare.js';
import { FETCH_FLAGS, PLATFORM, REGISTRY_FLAGS } from './fetch-flags.js';
import { formatFlag, progressFlag, STORE_FLAGS } from './store-flags.js';

/** Options of the commands that get images into the store. */
const GET_FLAGS = [
  ...STORE_FLAGS,
  PLATFORM,
  flag(
    '--concurrency <N>',
    'layers at a time (default: half the number of cores, more for slow sources)',
    parseCount,
  ),
  flag('--keep-blobs', 'keep the compressed layers, so that the image can be exported (the default)'),
  flag('--discard-blobs', 'keep the snapshots only').conflicts('keepBlobs'),
  progressFlag('a line for each layer'),
] as const;
export type GetFlags = ValuesOf<typeof GET_FLAGS>;

export const PULL_FLAGS = [...GET_FLAGS, ...FETCH_FLAGS] as const;
export type PullFlags = ValuesOf<typeof PULL_FLAGS>;

export const IMPORT_FLAGS = [
  ...GET_FLAGS,
  flag('--image <NAME>', 'import only this image; may be repeated', collect),
  flag('--name <NAME>', 'the name to give it (default: the one in SOURCE, else the digest)'),
] as const;
export type ImportFlags = ValuesOf<typeof IMPORT_FLAGS>;

export const EXPORT_FLAGS = [
  ...STORE_FLAGS,
  required(flag('-o, --output <FILE>', 'the archive or the layout to write, or - for standard output')),
  flag(
    '--format <FORMAT>',
    'oci-layout: a directory, which may have images; oci-archive, docker-archive (default: an archive that is both)',
    ['oci-layout', 'oci-archive', 'docker-archive'],
  ),
] as const;
export type ExportFlags = ValuesOf<typeof EXPORT_FLAGS>;

const COPIED_PLATFORM = flag(
  '--platform <PLATFORM>',
  'copy this one alone: os/architecture[/variant] (default: all that are there)',
);

const BLOBS = flag('--concurrency <N>', 'blobs at a time (default: 4)', parseCount);

/** Options of the commands that copy images. */
const COPY_ONLY = [
  compressionFlag('as they are; gzip for discarded blobs'),
  flag('--oci', "replace Docker's media types by those of OCI"),
  BLOBS,
  progressFlag('a line for each blob'),
] as const;

export const PUSH_FLAGS = [...STORE_FLAGS, COPIED_PLATFORM, ...COPY_ONLY, ...REGISTRY_FLAGS] as const;
export type PushFlags = ValuesOf<typeof PUSH_FLAGS>;

export const CONVERT_FLAGS = [
  ...STORE_FLAGS,
  required(flag('-t, --tag <NAME>', 'the name of the new image')),
  flag('--platform <PLATFORM>', 'os/architecture[/variant] (default: all that the store has)'),
  ...COPY_ONLY,
] as const;
export type ConvertFlags = ValuesOf<typeof CONVERT_FLAGS>;

export const MOUNT_FLAGS = [
  ...STORE_FLAGS,
  flag('--rw', 'allow writes; they are deleted when the image is unmounted'),
  PLATFORM,
] as const;
export type MountFlags = ValuesOf<typeof MOUNT_FLAGS>;

/** Options of `images disk`. */
export const DISK_FLAGS = [...STORE_FLAGS, PLATFORM] as const;
export type DiskFlags = ValuesOf<typeof DISK_FLAGS>;

export const BUNDLE_FLAGS = [
  ...STORE_FLAGS,
  flag('--rootless', 'make it for a runtime without privileges: you are root in the container'),
  flag('--os <OS>', 'the operating system to run on (default: that of the image)', ['linux', 'freebsd']),
  PLATFORM,
] as const;
export type BundleFlags = ValuesOf<typeof BUNDLE_FLAGS>;

export const INSPECT_STORED_FLAGS = [...STORE_FLAGS, PLATFORM, formatFlag('name').conflicts('json')] as const;
export type InspectStoredFlags = ValuesOf<typeof INSPECT_STORED_FLAGS>;

/** Options of `content ingest`. */
export const INGEST_FLAGS = [
  ...STORE_FLAGS,
  flag('--expected-digest <DIGEST>', 'fail unless the blob has this digest'),
  flag('--expected-size <SIZE>', 'fail unless the blob has this size', parseSize),
  flag('--allow-empty', 'accept empty input without --expected-digest'),
  flag('--label <LABEL=VALUE>', 'set a label; may be repeated', parseLabels),
] as const;
export type IngestFlags = ValuesOf<typeof INGEST_FLAGS>;
