import type { Limits } from '../../base/limits.js';
import type { RingMemory } from '../../base/threads/ring.js';
import type { DiffID, Digest } from '../../oci/digest.js';
import type { LowersLater, NeedsLowers } from '../apply/lowers-later.js';
import type { OwnerMap } from '../apply/shift-owners.js';
import type { DiffSource } from '../diff/options.js';
import type { ErofsLayerInfo } from '../erofs/read-erofs-layer.js';
import type { FileFacts } from '../manifest/file-facts.js';
import type { Compression, FileRange, GzipDecoder, MergedErofsLayers } from '../options.js';
import type { AnomalySummary } from '../plan/anomaly.js';
import type { PlannedOperation } from '../plan/operation.js';
import type { ScannedEntries } from '../scanned-entries.js';

/** The jobs of the decode thread. */
export interface DecodeJobs {
  /** Decompresses the source into the output ring. */
  decode(input: DecodeInput): DecodedSource;
  /** Compresses the archive that the apply thread writes for `diff`. */
  encode(input: EncodeDiffInput): EncodedArchive;
}

/** The jobs of the apply thread. */
export interface ApplyJobs {
  /** Fills the destination. */
  apply(input: FillJob<ApplyInput>): Read<AppliedArchive>;
  /** Writes the layer file. */
  writeFile(input: FillJob<WriteFileInput>): Read<AppliedArchive>;
  /** Writes the layer file of an upperdir. The decode thread has no part in it. */
  pack(input: PackInput): void;
  /** Writes the merged image of layer files. The decode thread has no part in it. */
  merge(input: MergeInput): MergedErofsLayers;
  /** Reads the archive without writing anything. Each event is the next part of the plan. */
  plan(
    input: ReadJob<PlanInput>,
    tell: (operations: readonly PlannedOperation[]) => void,
  ): Read<ArchiveSummary>;
  /** As `plan`, with fingerprints of the files. It does not hash the archive of a compressed layer. */
  scan(input: ReadJob<ScanInput>, tell: (entries: ScannedEntries) => void): Read<ArchiveSummary>;
  /** Writes the archive of the difference between two trees, or the tar of a layer file, into the input ring. */
  diff(input: DiffInput): { readonly whiteouts: number };
  /** Compresses the archive anew. */
  recompress(input: RecompressInput): RecompressedArchive;
  commit(input: { readonly sync: boolean }): void;
  /** @returns a hint about what could not be removed */
  discard(input: object): string | undefined;
}

/** A job of the apply thread that reads the archive of a layer. */
type ReadJob<Input> = Input & {
  /** Set when the apply thread decodes the layer, too. */
  readonly decode: DecodeInput | undefined;
};

/** A `ReadJob` that fills a destination. */
type FillJob<Input> = ReadJob<Input> & {
  /** How to check and commit the layer. If it is undefined, the next job has to commit or discard the destination. */
  readonly commit: CommitLayer | undefined;
};

/** What is known of a layer before it is read. */
export interface ExpectedLayer {
  readonly digest: Digest | undefined;
  readonly diffID: DiffID | undefined;
  /** The diffID that the source itself states. It is verified if the layer is hashed. */
  readonly statedDiffID: DiffID | undefined;
  readonly hash: boolean;
  readonly allowEmpty: boolean;
}

export interface CommitLayer {
  readonly sync: boolean;
  readonly expected: ExpectedLayer;
}

/** The result of a `ReadJob`. */
export type Read<Archive> = Archive & {
  /** Set when `decode` was set. */
  readonly decoded?: DecodedSource | undefined;
};

export interface DecodeInput {
  /** The regular file to read; undefined when the caller's thread fills the input ring. */
  readonly file: FileRange | undefined;
  readonly gzip: GzipDecoder | undefined;
  readonly maxRatio: number;
  readonly maxWindow: number;
  readonly hash: boolean;
  /** Whether the decode thread then helps the apply thread, until that has read the archive. */
  readonly helps: boolean;
}

export interface DecodedSource {
  readonly compression: Compression;
  /** Hexadecimal sha256 of a compressed source. Undefined for a plain one, whose digest is the archive's. */
  readonly digest: string | undefined;
  readonly dataAfterStream: boolean;
  /** The compressed stream has a checksum or a length that shows that it is complete. */
  readonly provesEnd: boolean;
}

export interface EncodeInput {
  readonly compression: Compression;
  /** See `CreateDiffOptions.compressionLevel`. */
  readonly level: number | undefined;
}

interface EncodeDiffInput extends EncodeInput, SharedArchive {}

/** The part of both ends of an archive that a diff writes. */
interface SharedArchive {
  /** The apply thread unpacks the archive meanwhile. It counts bytes and entries. */
  readonly isUnpacked: boolean;
}

export interface EncodedArchive {
  /** Hexadecimal sha256 of the layer. */
  readonly digest: string;
  /** Hexadecimal sha256 of its archive. */
  readonly diffID: string;
}

export interface RecompressInput extends EncodeInput {
  /** Gets the layer. */
  readonly ring: RingMemory;
}

/** The caller hashes the layer. */
export type RecompressedArchive = Pick<EncodedArchive, 'diffID'>;

export interface ApplyInput {
  readonly destination: string;
  /** The caller removes the destination after a failure. */
  readonly temporary: boolean;
  readonly existing: 'refuse' | 'merge';
  readonly target: 'directory' | 'overlay';
  readonly rootless: boolean | undefined;
  readonly lowers: readonly string[];
  readonly lowersLater: LowersLater | undefined;
  readonly limits: Limits;
  readonly hash: boolean;
  readonly owners: OwnerMap | undefined;
  /** Whether to collect `FileFacts`. */
  readonly facts: boolean;
}

export interface WriteFileInput
  extends Pick<ApplyInput, 'destination' | 'lowers' | 'lowersLater' | 'limits' | 'owners'> {
  /** Whether the disk writes the file while it grows, because a flush follows. */
  readonly flushSoon: boolean;
}

/** The upperdir of an overlay mount on layer files. */
export interface PackedUpperdir {
  readonly upper: string;
  /** Paths, nearest first. A file is opened when the diff needs it. */
  readonly layerFiles: readonly string[];
}

export interface PackInput extends PackedUpperdir {
  readonly destination: string;
  readonly limits: Limits;
}

export interface MergeInput {
  /** Paths, lowest first. */
  readonly layers: readonly string[];
  readonly destination: string;
  readonly form: 'metadata' | 'disk';
  readonly limits: Limits;
  readonly sync: boolean;
}

export interface ScanInput extends Pick<PlanInput, 'limits' | 'hash'> {
  /** See `openFingerprint`. */
  readonly key: Uint8Array;
}

export interface PlanInput {
  readonly limits: Limits;
  readonly hash: boolean;
  /** Whether the operations are sent, or only their summary. */
  readonly wantsOperations: boolean;
}

/** The trees of a layer, or a layer file, whose tar is the layer. */
export type DiffedTrees = DiffSource | PackedUpperdir | ErofsLayerInfo;

export interface DiffInput extends SharedArchive {
  readonly source: DiffedTrees;
  readonly latestSec: number | undefined;
}

export interface ArchiveSummary {
  readonly size: number;
  /** Hexadecimal sha256 of the archive, when `hash` was set. */
  readonly diffID: string | undefined;
  readonly entries: number;
  readonly whiteouts: number;
  readonly listsRoot: boolean;
  readonly endIsMarked: boolean;
  readonly dataAfterArchive: boolean;
  /** Files at its root show that it is an archive of images, not a layer. */
  readonly holdsImages: boolean;
  readonly anomalies: readonly AnomalySummary[];
}

export interface AppliedArchive extends ArchiveSummary {
  /** Undefined unless `facts` was set. */
  readonly facts: FileFacts | undefined;
  /** Undefined without `lowersLater`, and when the layer does not depend on lower layers. */
  readonly needsLowers: NeedsLowers | undefined;
}
