import { randomUUID } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toOverlayerError } from '../../system/errno-code.js';

/** Files up to this size stay in memory. */
const MEMORY_BYTES = 1024 ** 2;
const PIECE_BYTES = 256 * 1024;

/** Keeps the bytes of one file until they are verified: in memory, or in a temporary file without a name. */
export class Spool implements AsyncDisposable {
  readonly #size: number;
  readonly #memory: Buffer | undefined;
  readonly #file: FileHandle | undefined;

  private constructor(size: number, kept: Buffer | FileHandle) {
    this.#size = size;
    if (Buffer.isBuffer(kept)) this.#memory = kept;
    else this.#file = kept;
  }

  /** @throws OverlayerError `ResourceExhausted`, `PermissionDenied`: the temporary file can't be made */
  static async create(size: number): Promise<Spool> {
    return new Spool(size, size <= MEMORY_BYTES ? Buffer.alloc(size) : await openUnnamed(size));
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    this.#memory?.set(bytes, position);
    for (let at = 0; this.#file !== undefined && at < bytes.length; ) {
      const { bytesWritten } = await this.#file
        .write(bytes, at, bytes.length - at, position + at)
        .catch((error: unknown) => {
          throw noRoom(error);
        });
      at += bytesWritten;
    }
  }

  async *read(): AsyncGenerator<Uint8Array, void, void> {
    if (this.#memory !== undefined) {
      if (this.#size > 0) yield this.#memory;
      return;
    }
    for (let at = 0; at < this.#size; ) {
      const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, this.#size - at));
      const { bytesRead } = await this.#file!.read(piece, 0, piece.length, at);
      at += bytesRead;
      yield piece.subarray(0, bytesRead);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
  }
}

async function openUnnamed(size: number): Promise<FileHandle> {
  const path = join(tmpdir(), `overlayer-${randomUUID()}`);
  try {
    const file = await open(path, 'wx+', 0o600);
    try {
      await unlink(path);
      await file.truncate(size);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  } catch (error) {
    throw noRoom(error);
  }
}

function noRoom(error: unknown): unknown {
  return toOverlayerError(error, `Cannot keep the file in "${tmpdir()}" until it is verified`);
}
