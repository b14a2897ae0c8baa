import { closeSync, openSync, readSync } from 'node:fs';
import { OverlayerError } from '../../base/errors.js';
import { limitError, RATIO_GRACE_BYTES } from '../../base/limits.js';
import { DATA, SPACE } from '../../base/threads/gate.js';
import type { Ring } from '../../base/threads/ring.js';
import type { ByteOutput } from '../../compression/codec.js';
import type { System } from '../../system/system.js';
import type { FileRange } from '../options.js';
import { FileQueue } from './file-queue.js';
import { INPUT_READERS, type Pipeline, STEP_BYTES } from './pipeline.js';
import { SharedDigest } from './shared-digest.js';

/**
 * Reads a regular file, or a part of it, straight into the input ring. A stream through the event loop takes 50 times
 * as long.
 */
export class FileSource {
  readonly #descriptor: number;
  readonly #pipeline: Pipeline;
  readonly #ring: Ring;
  readonly #room: Room;
  #position: number;
  readonly #end: number;
  #ended = false;

  constructor({ path, offset, length }: FileRange, pipeline: Pipeline, system: System | undefined) {
    this.#position = offset;
    this.#end = offset + length;
    this.#pipeline = pipeline;
    this.#ring = pipeline.input;
    this.#room = new Room(this.#ring, pipeline, system);
    try {
      this.#descriptor = openSync(path, 'r');
    } catch (error) {
      throw cannotRead(path, error as NodeJS.ErrnoException);
    }
  }

  /** Reads a piece. @returns false at the end */
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

function cannotRead(path: string, error: NodeJS.ErrnoException): OverlayerError {
  const code =
    error.code === 'ENOENT' ? 'NotFound' : error.code === 'EACCES' ? 'PermissionDenied' : 'Internal';
  return new OverlayerError(code, `Cannot read layer "${path}": ${error.code}`, {
    cause: error,
    errno: error.code,
  });
}

/** The apply thread is ready before the decode thread has decompressed a whole step: a small layer takes 1 % less. */
const FIRST_BYTES = 16 * 1024;

/** Writes uncompressed bytes into the output ring, and limits how many come from how few (`maxRatio`). */
export class MeteredOutput implements ByteOutput {
  readonly bytes: Buffer;
  readonly #room: Room;
  readonly #ring: Ring;
  readonly #maxRatio: number;
  /** Number of compressed bytes so far. */
  consumed = 0;
  #produced = 0;

  constructor(pipeline: Pipeline, system: System | undefined, maxRatio: number) {
    this.#ring = pipeline.output;
    this.#room = new Room(this.#ring, pipeline, system);
    this.bytes = this.#ring.bytes;
    this.#maxRatio = maxRatio;
  }

  get writeIndex(): number {
    return this.#ring.writeIndex;
  }

  waitRoom(): number {
    return Math.min(this.#room.wait(), this.#produced === 0 ? FIRST_BYTES : STEP_BYTES);
  }

  publish(length: number): void {
    this.#produced += length;
    if (this.#produced > RATIO_GRACE_BYTES && this.#produced > this.consumed * this.#maxRatio)
      throw limitError('maxRatio', this.#maxRatio, { offset: this.#produced });
    this.#ring.publish(length);
  }

  /** Tells the reader of all bytes, before a wait that may be long. */
  flush(): void {
    this.#ring.flush();
  }

  end(): void {
    this.#ring.end();
  }
}

/**
 * The apply thread has enough to read with so many bytes of a plain archive, and this thread hashes some. The bytes are
 * then still in a core's own cache: with 2 MiB a layer of 412 MB takes 9 % longer.
 */
const ENOUGH_BYTES = 256 * 1024;

/**
 * Waits for room in a ring, for the decode thread. A full ring with the archive means that the apply thread is
 * slower: this thread then does a part of its work.
 */
export class Room {
  readonly #ring: Ring;
  readonly #pipeline: Pipeline;
  readonly #digest: SharedDigest;
  readonly #files: FileQueue | undefined;

  constructor(ring: Ring, pipeline: Pipeline, system: System | undefined) {
    this.#ring = ring;
    this.#pipeline = pipeline;
    this.#digest = SharedDigest.of(pipeline, ring);
    this.#files = system && new FileQueue(pipeline.files, system, ring.bytes);
  }

  wait(): number {
    const { compressed, output, gate, alone } = this.#pipeline;
    const isArchive = compressed !== undefined && compressed === (this.#ring === output);
    for (;;) {
      const seen = gate.look(SPACE);
      const room = this.#ring.room();
      if (room > 0) {
        if (compressed !== false || this.#ring.unreleased(INPUT_READERS.apply) < ENOUGH_BYTES) return room;
        this.#ring.flush(); // the apply thread may be waiting
        if (!this.#digest.tryHelp()) return room;
        continue;
      }
      if (alone !== undefined) {
        if (!this.#digest.help()) alone.consume();
        continue;
      }
      if (isArchive) {
        if (this.#work()) continue;
        // The apply thread may be waiting for the file that was finished last.
        gate.bump(DATA);
      }
      gate.wait(SPACE, seen);
    }
  }

  /** All bytes are written: does the apply thread's work until that has read the archive. */
  help(): void {
    const { gate } = this.#pipeline;
    for (;;) {
      const seen = gate.look(SPACE);
      if (this.#pipeline.isRead) return;
      if (!this.#work()) gate.wait(SPACE, seen);
    }
  }

  #work(): boolean {
    return this.#digest.help() || (this.#files?.work() ?? false);
  }
}
