import { type FileHandle, open } from 'node:fs/promises';
import { type ByteSource, readSource, type SourceReader } from '../../base/byte-source.js';
import { OverlayerError } from '../../base/errors.js';
import type { Ingest } from '../../content/content-store.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { toOverlayerError } from '../../system/errno-code.js';
import { otherSize } from '../source/blob-bytes.js';
import type { SupplyWatch } from './supply-watch.js';

/** Bytes of one piece of memory. */
const PIECE_BYTES = 256 * 1024;
/** Pieces of one blob in memory. */
const MAX_PIECES = 16;
/** Bytes that are read from the file at once. */
const FILE_READ_BYTES = 1024 * 1024;

/** The bytes of the blob from `start` on that have come. */
interface Piece {
  readonly start: number;
  readonly bytes: Uint8Array;
  used: number;
}

interface SpoolOptions {
  /** Has the first bytes of the blob, and gets the rest. */
  readonly ingest: Ingest;
  readonly watch: SupplyWatch;
  /** Whether the source is read at its own pace, as far as it goes. Otherwise it is at most the memory ahead of the reader. */
  readonly runsAhead: boolean;
}

/**
 * The bytes of a blob that is kept. Three loops run side by side: the source is read into a few pieces of memory, these
 * are written to the ingest, and the reader follows. A reader that is far behind reads the ingest's file: when it reads
 * the bytes of an earlier pull again, and when unpacking is slower than the network. The download waits for neither. The
 * disk bounds it, and the descriptor's size.
 */
export class SpooledBytes {
  readonly #descriptor: Descriptor;
  readonly #source: SourceReader;
  readonly #ingest: Ingest;
  readonly #watch: SupplyWatch;
  readonly #runsAhead: boolean;
  readonly #changes = new Changes();
  readonly #writing: Promise<void>;
  /** The last bytes that have come, in order. */
  readonly #pieces: Piece[] = [];
  /** Memory of a piece that no loop uses. */
  #spare: Uint8Array | undefined;
  /** The piece that the reader uses. */
  #lent: Piece | undefined;
  /** Offset of the end of the bytes that have come. */
  #end: number;
  /** Offset of the end of the bytes that the reader is done with. */
  #consumed = 0;
  /** No more bytes come: the source has ended, has failed, or was left. */
  #hasEnded = false;
  #failure: { readonly error: unknown } | undefined;

  /** @param rest the blob from the end of the ingest on */
  constructor(descriptor: Descriptor, rest: ByteSource, { ingest, watch, runsAhead }: SpoolOptions) {
    this.#descriptor = descriptor;
    this.#source = readSource(rest);
    this.#ingest = ingest;
    this.#watch = watch;
    this.#runsAhead = runsAhead;
    this.#end = ingest.offset;
    this.#fetch().then(
      () => this.#stop(),
      (error: unknown) => this.#fail(error),
    );
    this.#writing = this.#write().catch((error: unknown) => this.#fail(error));
  }

  /** Number of bytes so far, including those of earlier pulls. */
  get count(): number {
    return this.#end;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    let file: IngestFile | undefined;
    try {
      for (;;) {
        const at = this.#consumed;
        if (at === this.#end && !this.#hasEnded) await this.#watch.wait(this.#untilAfter(at));
        if (this.#failure !== undefined) throw this.#failure.error;
        if (at === this.#end) return;
        const piece = this.#pieceAt(at);
        if (piece === undefined) file ??= await IngestFile.open(this.#ingest);
        const chunk =
          piece === undefined ? await file!.read(at) : piece.bytes.subarray(at - piece.start, piece.used);
        this.#lent = piece;
        yield chunk;
        this.#lent = undefined;
        this.#consumed += chunk.length;
        this.#changes.tell();
      }
    } finally {
      await file?.close();
    }
  }

  /** Waits until all bytes are written to the ingest. @throws the failure of the source or of the disk */
  async written(): Promise<void> {
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Ends the reading of the source, and writes the bytes that have come. Then no write to the ingest is running. */
  async leave(): Promise<void> {
    this.#stop();
    this.#source.cancel();
    await this.#writing;
  }

  async #fetch(): Promise<void> {
    for (;;) {
      const { done, value } = await this.#source.next();
      if (done || value === undefined) return;
      for (let at = 0; at < value.length; ) {
        const piece = await this.#room();
        if (piece === undefined) return;
        const part = value.subarray(at, at + PIECE_BYTES - piece.used);
        if (this.#end + part.length > this.#descriptor.size) throw otherSize(this.#descriptor, 'more');
        piece.bytes.set(part, piece.used);
        piece.used += part.length;
        this.#end += part.length;
        at += part.length;
        this.#changes.tell();
      }
    }
  }

  /** @returns a piece that is not full; undefined when no more bytes are wanted */
  async #room(): Promise<Piece | undefined> {
    for (;;) {
      if (this.#hasEnded) return undefined;
      const last = this.#pieces.at(-1);
      if (last !== undefined && last.used < PIECE_BYTES) return last;
      if (this.#pieces.length < MAX_PIECES || this.#dropFirst()) break;
      await this.#changes.next();
    }
    const bytes = this.#spare ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
    this.#spare = undefined;
    const piece = { start: this.#end, bytes, used: 0 };
    this.#pieces.push(piece);
    return piece;
  }

  /** @returns whether a piece was dropped */
  #dropFirst(): boolean {
    const [first] = this.#pieces;
    const end = first!.start + first!.used;
    if (end > this.#ingest.offset || (!this.#runsAhead && end > this.#consumed)) return false;
    this.#pieces.shift();
    if (first !== this.#lent) this.#spare = first!.bytes;
    return true;
  }

  /** Each write takes all bytes of a piece that came during the last one: 64 KiB of a socket are few for a write. */
  async #write(): Promise<void> {
    for (;;) {
      const at = this.#ingest.offset;
      if (at < this.#end) {
        const { start, bytes, used } = this.#pieceAt(at)!;
        await this.#ingest.write(bytes.subarray(at - start, used));
        this.#changes.tell();
      } else if (this.#hasEnded) return;
      else await this.#untilAfter(at);
    }
  }

  /** Waits until bytes after an offset have come, or none will. */
  async #untilAfter(offset: number): Promise<void> {
    while (this.#end === offset && !this.#hasEnded) await this.#changes.next();
  }

  #pieceAt(offset: number): Piece | undefined {
    return this.#pieces.find(({ start, used }) => start <= offset && offset < start + used);
  }

  #stop(): void {
    this.#hasEnded = true;
    this.#changes.tell();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#source.cancel();
    this.#stop();
  }
}

/** Wakes all loops that wait. Each checks for itself whether it can go on. */
class Changes {
  #next: Promise<void> | undefined;
  #wake = () => {};

  next(): Promise<void> {
    this.#next ??= new Promise((resolve) => {
      this.#wake = resolve;
    });
    return this.#next;
  }

  tell(): void {
    this.#next = undefined;
    this.#wake();
  }
}

/** The file of an ingest that grows. */
class IngestFile {
  readonly #ingest: Ingest;
  readonly #file: FileHandle;
  /** One for all chunks: a stream allocates one for each, hundreds of megabytes before a collection. */
  readonly #buffer = Buffer.allocUnsafeSlow(FILE_READ_BYTES);

  private constructor(ingest: Ingest, file: FileHandle) {
    this.#ingest = ingest;
    this.#file = file;
  }

  static async open(ingest: Ingest): Promise<IngestFile> {
    try {
      return new IngestFile(ingest, await open(ingest.path));
    } catch (error) {
      throw cannotRead(ingest, error);
    }
  }

  /** The chunk stays valid until the next one is read. @throws OverlayerError `DataLoss` */
  async read(at: number): Promise<Uint8Array> {
    const { ref, offset } = this.#ingest;
    const length = Math.min(this.#buffer.length, offset - at);
    const { bytesRead } = await this.#file.read(this.#buffer, 0, length, at).catch((error: unknown) => {
      throw cannotRead(this.#ingest, error);
    });
    if (bytesRead > 0) return this.#buffer.subarray(0, bytesRead);
    throw new OverlayerError('DataLoss', `Ingest "${ref}" of ${offset} bytes ends after ${at}`);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

function cannotRead({ ref }: Ingest, error: unknown): unknown {
  return toOverlayerError(error, `Cannot read ingest "${ref}"`);
}
