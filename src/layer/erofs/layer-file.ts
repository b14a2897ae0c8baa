import { closeSync, openSync, read } from 'node:fs';
import { promisify } from 'node:util';
import { OverlayerError } from '../../base/errors.js';
import { withContext } from '../../base/with-context.js';
import type { LayerHead } from '../../erofs/head.js';
import type { ErofsSource } from '../../erofs/reader/paged-bytes.js';
import { ErofsReader } from '../../erofs/reader/reader.js';
import {
  describeHead,
  type ErofsLayerInfo,
  notALayerFile,
  readFully,
  readHead,
  readingLayer,
} from './read-erofs-layer.js';

const readAsync = promisify(read);
/** Hashing a piece blocks the event loop for 0.7 ms. */
const PIECE_BYTES = 1024 ** 2;
/** The first bad bytes of a piece are found by reads of this size: a page. */
const SMALL_BYTES = 4096;

/** An open layer file: an EROFS image that holds the tar of a layer. */
export class LayerFile implements Disposable, ErofsSource {
  readonly path: string;
  readonly head: LayerHead;
  readonly info: ErofsLayerInfo;
  /** Open for reading. */
  readonly descriptor: number;
  #image: ErofsReader | undefined;

  /** @throws OverlayerError as `readErofsLayer` */
  constructor(path: string) {
    this.path = path;
    this.descriptor = readingLayer(path, () => openSync(path, 'r'));
    try {
      const head = readHead(this.descriptor, path);
      if (head === undefined) throw notALayerFile(path);
      this.head = head;
      this.info = describeHead(head, path);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  get size(): number {
    return this.head.fileBytes;
  }

  /** The files of the layer. @throws OverlayerError as `ErofsReader` */
  get image(): ErofsReader {
    this.#image ??= this.naming(() => new ErofsReader(this));
    return this.#image;
  }

  /** Names the file in the errors of its reader, which knows no paths. */
  naming<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw withContext(error, { prefix: `Layer file "${this.path}"` });
    }
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = Buffer.allocUnsafeSlow(length);
    return bytes.subarray(0, this.#readInto(bytes, offset));
  }

  /**
   * Reads a part of the file in pieces: the next one while the caller works on one.
   *
   * @throws OverlayerError `DataLoss`: the offset is that of the first bytes that can't be read
   * @throws `signal.reason`
   */
  async *pieces(
    { offset, length }: { readonly offset: number; readonly length: number },
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, void> {
    const end = offset + length;
    const readPiece = (at: number) =>
      at < end ? this.#readPiece(Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, end - at)), at) : undefined;
    let next = readPiece(offset);
    try {
      for (let at = offset; next !== undefined; ) {
        signal?.throwIfAborted();
        const piece: Buffer = await next;
        at += piece.length;
        next = readPiece(at);
        // The next round throws its error, unless the caller ends the loop before.
        next?.catch(() => {});
        yield piece;
      }
    } finally {
      // A read must not outlive the descriptor, whose number another file may get.
      await next?.catch(() => {});
    }
  }

  async #readPiece(into: Buffer, at: number): Promise<Buffer> {
    try {
      for (let done = 0; done < into.length; ) {
        const { bytesRead } = await readAsync(this.descriptor, into, done, into.length - done, at + done);
        if (bytesRead === 0) throw endsEarly(this.path, at + done);
        done += bytesRead;
      }
    } catch (error) {
      if (OverlayerError.is(error)) throw error;
      for (let done = 0; done < into.length; done += SMALL_BYTES)
        this.#readInto(into.subarray(done, done + SMALL_BYTES), at + done);
    }
    return into;
  }

  #readInto(into: Uint8Array, offset: number): number {
    return readingLayer(this.path, () => readFully(this.descriptor, into, offset), offset);
  }

  [Symbol.dispose](): void {
    closeSync(this.descriptor);
  }
}

function endsEarly(path: string, offset: number): OverlayerError {
  return new OverlayerError('DataLoss', `Layer file "${path}" was cut off while it was read`, { offset });
}
