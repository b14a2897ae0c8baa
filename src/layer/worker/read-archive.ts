import { type Limits, limitError } from '../../base/limits.js';
import { TarDecoder } from '../../tar/decoder.js';
import type { TarEntry, TarSink } from '../../tar/types.js';
import { cleanPath } from '../plan/clean-path.js';
import { HashedReader } from './hashed-reader.js';
import type { ArchiveSummary } from './jobs.js';
import type { PendingFiles } from './pending-files.js';
import { INPUT_READERS, OUTPUT_READERS, type Pipeline, STEP_BYTES } from './pipeline.js';
import { SharedDigest } from './shared-digest.js';

/** What the bytes of an archive tell, without their digest. */
type DecodedArchive = Pick<
  ArchiveSummary,
  'size' | 'entries' | 'endIsMarked' | 'dataAfterArchive' | 'holdsImages'
>;

/** Decodes the archive of a crew, within the limits, and counts its bytes and entries. */
export class ArchiveDecoder {
  readonly #pipeline: Pipeline;
  readonly #limits: Limits;
  readonly #watch: ImageWatch;
  readonly #decoder: TarDecoder;

  constructor(pipeline: Pipeline, sink: TarSink, limits: Limits) {
    this.#pipeline = pipeline;
    this.#limits = limits;
    this.#watch = new ImageWatch(sink);
    this.#decoder = new TarDecoder(this.#watch, limits);
  }

  /** Bytes of the archive that were decoded. */
  get position(): number {
    return this.#decoder.position;
  }

  /** @throws OverlayerError `ResourceExhausted`: the archive has more bytes with these */
  admit(length: number): void {
    if (this.position + length > this.#limits.maxBytes)
      throw limitError('maxBytes', this.#limits.maxBytes, { offset: this.position });
  }

  /** Decodes bytes that were admitted. */
  write(bytes: Uint8Array, start: number, length: number): void {
    this.#decoder.write(bytes, start, start + length);
    this.#pipeline.bytes = this.#decoder.position;
    this.#pipeline.entries = this.#decoder.entries;
  }

  end(): DecodedArchive {
    const endIsMarked = this.#decoder.end({ requireMarker: false });
    const { position: size, entries, dataAfterArchive } = this.#decoder;
    return { size, entries, endIsMarked, dataAfterArchive, holdsImages: this.#watch.holdsImages };
  }
}

/** How much of a manifest.json is read. */
const MAX_KEPT_BYTES = 64 * 1024;

/** Files that are at the root of an archive of images. */
type Marker = 'oci-layout' | 'index.json' | 'manifest.json';

/**
 * Passes an archive on to a sink, and detects whether it is an archive of images: its root has an OCI layout, or the
 * manifest.json of `docker save`. Unpacked as a layer, it would give a directory of blobs instead of a root
 * filesystem.
 *
 * The images may also be in a directory at the root: some archives are packed together with the directory.
 */
class ImageWatch implements TarSink {
  readonly #sink: TarSink;
  /**
   * The directory that has all entries so far, with a slash; '' when there are several, undefined before the first
   * entry.
   */
  #top: string | undefined;
  /** Markers that were found at the root, or in the directory that may have all entries. */
  readonly #markers = new Set<`${string}${Marker}`>();
  /** Path and first bytes of the manifest.json that is being read. */
  #manifest: { readonly path: `${string}manifest.json`; bytes: Buffer } | undefined;

  constructor(sink: TarSink) {
    this.#sink = sink;
  }

  get holdsImages(): boolean {
    const holds = (root: string) =>
      this.#markers.has(`${root}manifest.json`) ||
      (this.#markers.has(`${root}oci-layout`) && this.#markers.has(`${root}index.json`));
    return holds('') || holds(this.#top ?? '');
  }

  entry(entry: TarEntry): void {
    const { path } = entry;
    if (this.#top !== '' && !path.startsWith(this.#top ?? '/')) this.#seeTop(topOf(entry));
    if (entry.type === 'file' && (path.endsWith('.json') || path.endsWith('oci-layout'))) this.#look(path);
    this.#sink.entry(entry);
  }

  data(bytes: Uint8Array, start: number, end: number, position: number): void {
    const manifest = this.#manifest;
    if (manifest !== undefined && manifest.bytes.length < MAX_KEPT_BYTES)
      manifest.bytes = Buffer.concat([manifest.bytes, bytes.subarray(start, end)]).subarray(
        0,
        MAX_KEPT_BYTES,
      );
    this.#sink.data(bytes, start, end, position);
  }

  entryEnd(): void {
    if (this.#manifest !== undefined) {
      if (isDockerManifest(this.#manifest.bytes)) this.#markers.add(this.#manifest.path);
      this.#manifest = undefined;
    }
    this.#sink.entryEnd();
  }

  #seeTop(top: string | undefined): void {
    if (top !== undefined && top !== this.#top) this.#top = this.#top === undefined ? top : '';
  }

  #look(name: string): void {
    const { path } = cleanPath(name);
    for (const root of ['', this.#top ?? '']) {
      if (path === `${root}manifest.json`)
        this.#manifest = { path: `${root}manifest.json`, bytes: Buffer.alloc(0) };
      else if (path === `${root}oci-layout`) this.#markers.add(`${root}oci-layout`);
      else if (path === `${root}index.json`) this.#markers.add(`${root}index.json`);
    }
  }
}

/** The first component of a path; '' for a file at the root, undefined for the root itself. */
function topOf({ path: name, type }: TarEntry): string | undefined {
  const { path } = cleanPath(name);
  if (path === '') return undefined;
  const slash = path.indexOf('/');
  if (slash >= 0) return path.slice(0, slash + 1);
  return type === 'directory' ? `${path}/` : '';
}

/**
 * `docker save` writes a list of objects with a config and layers. The manifest.json of a web application is an
 * object.
 */
function isDockerManifest(beginning: Buffer): boolean {
  return /^\s*\[\s*\{.*"(config|layers)"\s*:/is.test(beginning.toString('latin1'));
}

const BLOCK_MASK = ~511;
/** Bytes of a plain archive that are left to the decode thread to hash. They fit into a core's own cache. */
const UNHASHED_BYTES = 512 * 1024;
/**
 * The same of a compressed archive. The decode thread has time for all of a small layer once it has decompressed it: 1.2 MB
 * with 365 entries take 2 % less.
 */
const UNHASHED_DECOMPRESSED_BYTES = 1024 * 1024;

/** Reads the archive for the apply thread, which meanwhile finishes files and helps to hash the compressed bytes. */
export class ArchiveReader extends HashedReader {
  /** The digest of the compressed bytes, for which the decode thread has less time. */
  readonly #blobDigest: SharedDigest | undefined;
  readonly #files: PendingFiles | undefined;
  readonly #pipeline: Pipeline;

  /** @param files that still need bytes of the ring; undefined when no files are written */
  constructor(pipeline: Pipeline, hash: boolean, files?: PendingFiles) {
    const { input, gate } = pipeline;
    const compressed = pipeline.waitCompressed();
    const ring = pipeline.waitArchive();
    const reader = compressed ? OUTPUT_READERS.apply : INPUT_READERS.apply;
    const lag = compressed ? UNHASHED_DECOMPRESSED_BYTES : UNHASHED_BYTES;
    super(ring, reader, gate, SharedDigest.of(pipeline, ring), { hash, lag });
    this.#blobDigest = compressed ? SharedDigest.of(pipeline, input) : undefined;
    this.#files = files;
    this.#pipeline = pipeline;
  }

  protected override limit(available: number): number {
    // Whole blocks where possible: the decoder then reads headers in place, without a copy.
    const length = Math.min(available > 512 ? available & BLOCK_MASK : available, STEP_BYTES);
    this.#files?.expect(this.taken, (this.taken + length) | 0);
    return length;
  }

  protected override work(): boolean {
    return (this.#files?.work() || this.#blobDigest?.tryHelp()) ?? false;
  }

  protected override rest(): void {}

  protected override keptFrom(): number {
    return this.#files?.neededFrom(this.taken) ?? this.taken;
  }

  override finish(): string | undefined {
    this.#files?.finish();
    const digest = super.finish();
    this.#pipeline.endReading();
    return digest;
  }

  override abandon(): void {
    this.#files?.abandon();
    super.abandon();
  }
}

type ReadArchive = Pick<
  ArchiveSummary,
  'size' | 'diffID' | 'entries' | 'endIsMarked' | 'dataAfterArchive' | 'holdsImages'
>;

/**
 * Decodes the whole archive into `sink`.
 *
 * @param options `copy`: gets all bytes of the archive, in the ring's memory, before they are decoded
 *
 * `atEnd`: called after the last entry, while the decode thread finishes files
 */
export async function readArchive(
  pipeline: Pipeline,
  archive: ArchiveReader,
  sink: TarSink,
  limits: Limits,
  options: {
    readonly copy?: (start: number, length: number, position: number) => void;
    readonly atEnd?: () => void;
  } = {},
): Promise<ReadArchive> {
  const { copy, atEnd } = options;
  archive.begin();
  try {
    const decoder = new ArchiveDecoder(pipeline, sink, limits);
    const read = (length: number) => {
      const { start } = archive;
      decoder.admit(length);
      copy?.(start, length, decoder.position);
      decoder.write(archive.ring.bytes, start, length);
      archive.take(length);
    };
    const { alone } = pipeline;
    if (alone !== undefined) {
      alone.consume = () => {
        pipeline.gate.throwIfAborted();
        for (let length = archive.poll(); length > 0; length = archive.poll()) read(length);
      };
      await alone.produce();
    }
    for (let length = archive.wait(); length >= 0; length = archive.wait()) read(length);
    const decoded = decoder.end();
    atEnd?.();
    return { ...decoded, diffID: archive.finish() };
  } catch (error) {
    archive.abandon();
    throw error;
  }
}
