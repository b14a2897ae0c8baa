import type { System, Times } from '../system/system.js';

/** What is left to do on a regular file that has its name: numbers only, so that another thread can do it. */
export interface FileTail {
  readonly descriptor: number;
  /** The whole content, where it is still to be written: `length` bytes of the finisher's memory. */
  readonly start: number;
  readonly length: number;
  /** -1: it has the right owner. */
  readonly uid: number;
  readonly gid: number;
  /** -1: it has the right mode. */
  readonly mode: number;
  readonly times: Times;
  /** Of what is written of the content (CRC-32); -1: nobody asks for it. */
  readonly checksum: number;
  /** It has no extended attributes, whoever might have given it some. */
  readonly isPlain: boolean;
}

/**
 * All but closing it, in the order that keeps each: content, owner, mode, times. Can be done again after a failure.
 *
 * @param memory address of the finisher's
 */
export function finishFile(system: System, tail: FileTail, memory: number): void {
  const { descriptor, start, length, uid, gid, mode, times } = tail;
  if (length > 0) system.pwrite(descriptor, memory + start, length, 0);
  if (uid >= 0) system.chown(descriptor, uid, gid);
  if (mode >= 0) system.chmod(descriptor, mode);
  system.setTimes(descriptor, times);
}

/** Takes files off a writer's hands, to be finished by whichever thread has the time. */
export interface FileFinisher {
  /** The memory their content has to stand in. */
  readonly bytes: Uint8Array;
  /** Larger ones are written as they come. */
  readonly maxBytes: number;
  /** What stands at `start` and behind it has to stay. */
  keep(start: number): void;
  /** No file needs it any more. */
  letGo(): void;
  /** To finish and close: the descriptor is the finisher's from here on, also after an error. */
  take(tail: FileTail, entry: { readonly path: string; readonly offset: number }): void;
  /** Until all that were taken are finished. */
  finish(): void;
}
