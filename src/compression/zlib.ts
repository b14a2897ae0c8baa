import { createGunzip, type Gunzip } from 'node:zlib';
import {
  type ByteOutput,
  copyInto,
  corruptStream,
  type Decompressor,
  truncatedStream,
} from './decompressor.js';

/** Larger pieces cost fewer turns of the event loop: 1.15 s with these where 64 KiB ones took 1.5 s. */
const CHUNK = 1024 * 1024;

/**
 * gzip through Node's zlib, which inflates on a thread of libuv's pool. After the last member it passes over
 * bytes that begin with a zero, and takes any others for a member, which is then corrupt.
 */
export class ZlibGunzip implements Decompressor {
  readonly #gunzip: Gunzip = createGunzip({ chunkSize: CHUNK });
  readonly #output: ByteOutput;
  #failure: Error | undefined;
  #taken = 0;
  #ended = false;
  /** Ends the wait for the piece in work. */
  #settle: () => void = () => {};

  constructor(output: ByteOutput) {
    this.#output = output;
    this.#gunzip.on('data', (chunk: Buffer) => this.#emit(chunk));
    this.#gunzip.on('end', () => {
      this.#ended = true;
      this.#settle();
    });
    this.#gunzip.on('error', (error: Error) => this.#fail(error));
  }

  /** What zlib did not take is none of the stream. */
  get dataAfterStream(): boolean {
    return this.#taken > this.#gunzip.bytesWritten;
  }

  write(input: Buffer, start: number, end: number): Promise<void> {
    this.#taken += end - start;
    // After the last member zlib takes no more, and never says that it is done with it.
    return this.#run(() => this.#gunzip.write(input.subarray(start, end), this.#settle));
  }

  async end(): Promise<void> {
    if (this.#taken === 0) throw truncatedStream('gzip');
    await this.#run(() => this.#gunzip.end());
  }

  close(): void {
    this.#gunzip.destroy();
  }

  async #run(start: () => void): Promise<void> {
    if (this.#failure === undefined && !this.#ended)
      await new Promise<void>((resolve) => {
        this.#settle = resolve;
        start();
      });
    if (this.#failure !== undefined) throw translate(this.#failure);
  }

  /** What the output throws (an abort, a limit) must end the work, not the thread. */
  #emit(chunk: Buffer): void {
    if (this.#failure !== undefined) return;
    try {
      copyInto(this.#output, chunk);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#settle();
  }
}

function translate(error: Error & { code?: string }): Error {
  if (error.code === 'Z_BUF_ERROR') return truncatedStream('gzip');
  if (error.code?.startsWith('Z_')) return corruptStream('gzip', error.message);
  return error;
}
