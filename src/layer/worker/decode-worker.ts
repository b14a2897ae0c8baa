import { closeSync, openSync, readSync } from 'node:fs';
import { OverlayerError } from '../../base/errors.js';
import { DATA, SPACE } from '../../base/gate.js';
import { limitError, RATIO_GRACE_BYTES } from '../../base/limits.js';
import type { Ring } from '../../base/ring.js';
import type { ByteOutput, Decompressor } from '../../compression/decompressor.js';
import { DETECT_BYTES, detectFormat } from '../../compression/detect.js';
import { openDecompressor } from '../../compression/open-decompressor.js';
import { openLinuxSystem } from '../../system/linux.js';
import { openSha256, type Sha256 } from '../../system/sha256.js';
import type { FileRange } from '../options.js';
import { ArchiveDigest } from './archive-digest.js';
import { encodeArchive } from './encode-archive.js';
import { FileQueue } from './file-queue.js';
import type { Answer, Request } from './messages.js';
import { INPUT_READERS, type Pipeline, STEP_BYTES } from './pipeline.js';
import { serve, unexpected } from './serve.js';

/** Deflate gives at most 1032 bytes for one: a bomb is seen 64 MiB late at the most. */
const INPUT_STEP_BYTES = 64 * 1024;

const system = openLinuxSystem();

/** The thread that reads the source, sees what it is, and decompresses it; or compresses the archive of a diff. */
serve(async (request, pipeline) => {
  if (request.type === 'encode') return await encodeArchive(pipeline, request);
  if (request.type !== 'decode') throw unexpected(request);
  const source = request.file && new FileSource(request.file, pipeline);
  try {
    return await decode(request, pipeline, source);
  } finally {
    source?.close();
  }
});

async function decode(
  request: Request & { type: 'decode' },
  pipeline: Pipeline,
  source: FileSource | undefined,
): Promise<Answer> {
  const format = detectFormat(readHead(pipeline, source));
  pipeline.decide(format !== 'none');
  if (format === 'none') {
    while (source?.fill()) {}
    return { type: 'decoded', compression: 'none', digest: undefined, dataAfterStream: false };
  }
  const output = new MeteredOutput(pipeline, request.maxRatio);
  const decompressor = await openDecompressor(format, output, request.gzip);
  const sha256 = request.hash ? openSha256() : undefined;
  let digest: string | undefined;
  try {
    decompress(decompressor, output, pipeline, source, sha256);
  } finally {
    digest = sha256?.hex();
    decompressor.close();
  }
  return { type: 'decoded', compression: format, digest, dataAfterStream: decompressor.dataAfterStream };
}

/** The first bytes, or all where there are fewer. */
function readHead(pipeline: Pipeline, source: FileSource | undefined): Uint8Array {
  const { input, gate } = pipeline;
  const { decode } = INPUT_READERS;
  for (;;) {
    const seen = gate.look(DATA);
    const { ended } = input; // before the count: the writer publishes before it ends
    const available = input.available(decode);
    if (ended || available >= DETECT_BYTES) return input.bytes.subarray(0, Math.max(available, 0));
    if (source !== undefined) source.fill();
    else gate.wait(DATA, seen);
  }
}

function decompress(
  decompressor: Decompressor,
  output: MeteredOutput,
  { input }: Pipeline,
  source: FileSource | undefined,
  sha256: Sha256 | undefined,
): void {
  const { decode } = INPUT_READERS;
  for (;;) {
    let available = input.available(decode);
    if (available === 0 && source?.fill()) continue;
    if (available === 0) {
      output.flush();
      available = input.waitAvailable(decode);
    }
    if (available < 0) break;
    const length = Math.min(available, INPUT_STEP_BYTES);
    const start = input.readIndex(decode);
    output.consumed += length;
    sha256?.update(input.bytes, start, start + length);
    decompressor.write(input.bytes, start, start + length);
    input.release(decode, length);
  }
  decompressor.end();
  output.end();
}

/** A regular file, or a part of one, read straight into the ring: 2 % of the time that a stream through the event loop takes. */
class FileSource {
  readonly #descriptor: number;
  readonly #pipeline: Pipeline;
  readonly #ring: Ring;
  readonly #room: Room;
  #position: number;
  readonly #end: number;
  #ended = false;

  constructor({ path, offset, length }: FileRange, pipeline: Pipeline) {
    this.#position = offset;
    this.#end = offset + length;
    this.#pipeline = pipeline;
    this.#ring = pipeline.input;
    this.#room = new Room(this.#ring, pipeline);
    try {
      this.#descriptor = openSync(path, 'r');
    } catch (error) {
      throw cannotRead(path, error as NodeJS.ErrnoException);
    }
  }

  /** @returns false at the end */
  fill(): boolean {
    if (this.#ended) return false;
    const room = Math.min(this.#room.wait(), STEP_BYTES, this.#end - this.#position);
    const length = readSync(this.#descriptor, this.#ring.bytes, this.#ring.writeIndex, room, this.#position);
    if (length > 0) {
      this.#position += length;
      this.#pipeline.compressedBytes += length;
      this.#ring.publish(length);
      return true;
    }
    this.#ended = true;
    this.#ring.end();
    return false;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** The ring of uncompressed bytes, with an eye on how many come from how few. */
class MeteredOutput implements ByteOutput {
  readonly bytes: Buffer;
  readonly #room: Room;
  readonly #ring: Ring;
  readonly #maxRatio: number;
  /** Compressed bytes so far. */
  consumed = 0;
  #produced = 0;

  constructor(pipeline: Pipeline, maxRatio: number) {
    this.#ring = pipeline.output;
    this.#room = new Room(this.#ring, pipeline);
    this.bytes = this.#ring.bytes;
    this.#maxRatio = maxRatio;
  }

  get writeIndex(): number {
    return this.#ring.writeIndex;
  }

  waitRoom(): number {
    return Math.min(this.#room.wait(), STEP_BYTES);
  }

  publish(length: number): void {
    this.#produced += length;
    if (this.#produced > RATIO_GRACE_BYTES && this.#produced > this.consumed * this.#maxRatio)
      throw limitError('maxRatio', this.#maxRatio, { offset: this.#produced });
    this.#ring.publish(length);
  }

  /** No more may come for long: let what there is be worked on. */
  flush(): void {
    this.#ring.flush();
  }

  end(): void {
    this.#ring.end();
  }
}

/** Room in a ring. Where it is the archive's and full, the apply thread is slower: take work off it meanwhile. */
class Room {
  readonly #ring: Ring;
  readonly #pipeline: Pipeline;
  readonly #digest: ArchiveDigest;
  readonly #files: FileQueue;

  constructor(ring: Ring, pipeline: Pipeline) {
    this.#ring = ring;
    this.#pipeline = pipeline;
    this.#digest = new ArchiveDigest(pipeline);
    this.#files = new FileQueue(pipeline.files, system);
  }

  wait(): number {
    const { compressed, output, gate } = this.#pipeline;
    const isArchive = compressed !== undefined && compressed === (this.#ring === output);
    for (;;) {
      const seen = gate.look(SPACE);
      const room = this.#ring.room();
      if (room > 0) return room;
      if (isArchive) {
        if (this.#digest.help(this.#ring) || this.#files.work()) continue;
        // The apply thread may wait for the last of these to be done.
        this.#ring.flush();
      }
      gate.wait(SPACE, seen);
    }
  }
}

function cannotRead(path: string, error: NodeJS.ErrnoException): OverlayerError {
  const code =
    error.code === 'ENOENT' ? 'NotFound' : error.code === 'EACCES' ? 'PermissionDenied' : 'Internal';
  return new OverlayerError(code, `Cannot read layer "${path}": ${error.code}`, {
    cause: error,
    errno: error.code,
  });
}
